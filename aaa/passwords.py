"""Setting passwords in the database, sealed by `aaa.credentials`.

Apart from the sealing because a login worker opens seals and needs no database for it.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy import text

from core.db import Tx

CHUNK: Final = 5_000


async def store(tx: Tx, tenant_id: int, sealed: Mapping[int, bytes], *, now: datetime) -> None:
    """Store sealed passwords by subscriber id, in place of those that were there."""
    waiting = iter(sorted(sealed.items()))
    while chunk := list(islice(waiting, CHUNK)):
        await tx.execute(
            text(
                "INSERT INTO credential (subscriber_id, tenant_id, sealed, updated_at)"
                " SELECT id, :tenant_id, sealed, :now"
                " FROM unnest(CAST(:ids AS bigint[]), CAST(:seals AS bytea[])) AS new (id, sealed)"
                " ON CONFLICT (subscriber_id) DO UPDATE"
                " SET sealed = EXCLUDED.sealed, updated_at = EXCLUDED.updated_at"
            ),
            {
                "tenant_id": tenant_id,
                "now": now,
                "ids": [subscriber_id for subscriber_id, _ in chunk],
                "seals": [seal for _, seal in chunk],
            },
        )
