"""By what subscribers are found, kept one's alone: whose it was is said, not only that it was."""

from sqlalchemy import text

from aaa import ways
from core.db import Tx
from core.errors import Conflict


class WayTaken(Conflict):
    """Somebody else is found by this already."""


async def vacate(tx: Tx, tenant_id: int) -> None:
    """Free what those of ``pg_temp.put_subscriber`` are found by now and no longer then, so that
    two may swap; what is still somebody else's is refused.

    Raises:
        WayTaken: names both subscribers and the value.
    """
    tenant = {"tenant_id": tenant_id}
    for field in ways.FIELDS:
        on_one = field in ways.OF_LINE
        statement = _TAKEN.format(
            field=field,
            same_nas=_SAME_NAS if on_one else "",
            same_staged=" AND o.line_nas IS NOT DISTINCT FROM p.line_nas" if on_one else "",
        )
        for row in await tx.execute(text(statement), tenant):
            raise WayTaken(
                f"subscriber {row.username}: {field} {row.value} is that of subscriber {row.owner}"
            )
    await tx.execute(text(_VACATE), tenant)


_SAME_NAS = (
    " AND coalesce(s.line_nas_id, 0) ="
    " coalesce((SELECT n.id FROM nas n WHERE n.tenant_id = s.tenant_id AND n.name = p.line_nas), 0)"
)

# Whoever is staged himself gives up what he is not to have: the first part asks the others, the
# second whether two of the staged want the same.
_TAKEN = """
SELECT p.username, p.{field} AS value, s.username AS owner
  FROM pg_temp.put_subscriber p JOIN subscriber s ON s.{field} = p.{field}{same_nas}
 WHERE s.tenant_id = :tenant_id AND s.{field} IS NOT NULL AND s.username <> p.username
   AND NOT EXISTS (SELECT FROM pg_temp.put_subscriber o WHERE o.username = s.username)
UNION ALL
SELECT p.username, p.{field}, o.username
  FROM pg_temp.put_subscriber p JOIN pg_temp.put_subscriber o
    ON o.{field} = p.{field} AND o.username < p.username{same_staged}
 LIMIT 1
"""

_VACATE = f"""
UPDATE subscriber s SET {", ".join(f"{field} = NULL" for field in ways.FIELDS)}
  FROM pg_temp.put_subscriber p
 WHERE s.tenant_id = :tenant_id AND s.username = p.username
   AND (s.line_nas_id, {", ".join(f"s.{field}" for field in ways.FIELDS)}) IS DISTINCT FROM
       ((SELECT n.id FROM nas n WHERE n.tenant_id = s.tenant_id AND n.name = p.line_nas),
        {", ".join(f"p.{field}" for field in ways.FIELDS)})
   AND coalesce({", ".join(f"s.{field}" for field in ways.FIELDS)}) IS NOT NULL
"""  # noqa: S608 - made of our own names
