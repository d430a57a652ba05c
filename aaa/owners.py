"""Whose a session is: the subscriber that our Class names, else the one with its User-Name, be it
his name or the address of his device.

What a NAS sends in Class was ours once, but it is the NAS that sends it: a subscriber of
another tenant, or one who is gone, is nobody.
"""

from collections.abc import Collection, Mapping
from typing import Final

from accounting.batch import Claim
from core.db import Tx, raw
from nas_adapters.mac import normalise

_OWNERS: Final = """
SELECT c.tenant_id, c.subscriber_id, c.username, coalesce(by_id.id, by_name.id, by_mac.id) AS owner
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[])
    AS c (tenant_id, subscriber_id, username, mac)
  LEFT JOIN subscriber AS by_id
    ON by_id.id = c.subscriber_id AND by_id.tenant_id = c.tenant_id
  LEFT JOIN subscriber AS by_name
    ON by_name.tenant_id = c.tenant_id AND by_name.username = c.username
  LEFT JOIN subscriber AS by_mac
    ON by_mac.tenant_id = c.tenant_id AND by_mac.mac = c.mac AND by_mac.access <> 'pppoe'
 WHERE coalesce(by_id.id, by_name.id, by_mac.id) IS NOT NULL
"""


async def owners(tx: Tx, claims: Collection[Claim]) -> Mapping[Claim, int]:
    """The subscribers that are meant; claims of nobody are left out.  A node's transaction."""
    connection = await raw(tx)
    found = await connection.fetch(
        _OWNERS,
        [claim.tenant_id for claim in claims],
        [claim.subscriber_id for claim in claims],
        [claim.username for claim in claims],
        [normalise(claim.username) for claim in claims],
    )
    return {
        Claim(tenant_id, subscriber_id, username): owner
        for tenant_id, subscriber_id, username, owner in found
    }
