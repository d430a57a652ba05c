"""Sessions that stay open though a mark should close them, because the rules fail at their group.

A damaged state or a bug: one such group must not keep the sweeper from all the others, nor a
restart of a NAS from ending what ran there.  So it is left out, told of once and counted.
Nobody can tell of its sessions any more: they are marked like those of a NAS that is silent,
and count against no limit, until a rebuild has made the group anew.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import asyncpg
import structlog

from accounting.folded import Folded, Stored
from accounting.folding import close, opened
from accounting.groups import NeedsHistory
from accounting.identity import SessionKey
from accounting.points import Mark
from accounting.trouble import in_a_line, is_the_worlds

log = structlog.get_logger()

TOLD_MAX: Final = 1_000  # groups; of more, what is told of these is enough

_DOUBT: Final = """
UPDATE session AS s SET silent_since = s.last_seen_at
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[])
       AS k (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce)
 WHERE s.tenant_id = k.tenant_id AND s.nas_id = k.nas_id AND s.nas_reported = k.nas_reported
   AND s.acct_session_id = k.acct_session_id AND s.class_nonce = k.class_nonce
   AND s.stopped_at IS NULL AND s.silent_since IS NULL
RETURNING s.id
"""


class Unclosed:
    """Of one ingest: it remembers of which groups it has told."""

    def __init__(self) -> None:
        self._told: set[bytes] = set()

    def close(
        self,
        name: bytes,
        closing: tuple[SessionKey, Mark],
        stored: Stored,
        history: Mapping[int, bytes] | None,
        ids: Iterator[int],
    ) -> Folded | NeedsHistory | None:
        """`folding.close`; None: this group is beyond it."""
        key, mark = closing
        try:
            return close(opened(name, key, stored), mark, history, ids)
        except Exception as error:
            # Nothing but rules was asked, so it is about this group, which stays as it is.
            if is_the_worlds(error):
                raise
            self._tell(name, key, error)
            return None

    def _tell(self, name: bytes, key: SessionKey, error: Exception) -> None:
        if name in self._told or len(self._told) >= TOLD_MAX:
            return
        log.error(
            "session_not_closed",
            tenant=key.tenant_id,
            nas=key.nas_id,
            reported=key.reported,
            acct_session_id=key.acct_session_id,
            error=in_a_line(error),
            exc_info=error if not self._told else None,
        )
        self._told.add(name)


async def doubt(connection: asyncpg.Connection, keys: Collection[SessionKey]) -> set[int]:
    """Mark the open sessions of these groups; returns those that were not marked before."""
    found = await connection.fetch(_DOUBT, *map(list, zip(*keys, strict=True)))
    return {row["id"] for row in found}
