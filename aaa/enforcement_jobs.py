"""The jobs of enforcement: left in the transaction of a change, for those who are online.

A job says whom to look after and not what to do, so one too many does no harm, and while one
waits a second one has nothing to add: they have one key.  Whoever is not online needs none,
his next login is right without it.
"""

from collections.abc import Collection
from itertools import islice
from typing import Final

from sqlalchemy import text

from core.db import Tx
from core.jobs import Deferral, defer, defer_many

KIND: Final = "enforce"
CHUNK: Final = 5_000
DISCONNECT: Final = "disconnect"
REAPPLY: Final = "reapply"

_ONLINE: Final = """
SELECT n.id FROM unnest(CAST(:ids AS bigint[])) AS n (id)
 WHERE EXISTS (SELECT FROM session AS s WHERE s.subscriber_id = n.id AND s.stopped_at IS NULL)
"""


async def leave(tx: Tx, tenant_id: int, subscriber_ids: Collection[int], reason: str) -> int:
    """Look after those of these subscribers who are online; how many that are."""
    online: list[int] = []
    waiting = iter(sorted(subscriber_ids))
    while chunk := list(islice(waiting, CHUNK)):
        online += (await tx.scalars(text(_ONLINE), {"ids": chunk})).all()
    # In one call, or two who leave several may wait for each other.
    await defer_many(tx, [_of(tenant_id, number, reason) for number in online])
    return len(online)


async def leave_for_profiles(tx: Tx, tenant_id: int, profile_ids: Collection[int]) -> None:
    """Look after all who have these plans, which changed."""
    await defer_many(
        tx,
        [
            Deferral(tenant_id, KIND, {"profile": number, "reason": "profile"}, f"profile/{number}")
            for number in profile_ids
        ],
    )


async def leave_for_session(tx: Tx, tenant_id: int, session_id: int, action: str) -> None:
    """What people want of one session: `DISCONNECT` or `REAPPLY`."""
    payload = {"session": session_id, "action": action, "reason": "staff"}
    await defer(tx, tenant_id, KIND, payload, dedupe_key=f"session/{session_id}")


def _of(tenant_id: int, subscriber_id: int, reason: str) -> Deferral:
    payload = {"subscriber": subscriber_id, "reason": reason}
    return Deferral(tenant_id, KIND, payload, str(subscriber_id))
