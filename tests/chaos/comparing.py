"""What boxes counted and what was acknowledged, against what is in the database: the verdict."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.scenarios.flows import sql

_BOOKS = """
SELECT n.name AS nas, s.acct_session_id, s.username, s.closed_by, s.subscriber_id,
       coalesce(s.session_time_s, 0) AS s_time, s.input_octets AS s_in, s.output_octets AS s_out,
       coalesce(u_in, 0) AS u_in, coalesce(u_out, 0) AS u_out, coalesce(u_time, 0) AS u_time
  FROM session AS s JOIN nas AS n ON n.id = s.nas_id LEFT JOIN (
       SELECT session_id, sum(input_octets)::bigint AS u_in,
              sum(output_octets)::bigint AS u_out, sum(session_time_s)::bigint AS u_time
         FROM usage GROUP BY session_id) AS u ON u.session_id = s.id
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """A session as its box knows it, and how it may have ended."""

    nas: str
    acct_session_id: str
    username: str
    session_time_s: int
    input_octets: int
    output_octets: int
    closed_by: frozenset[str] = frozenset(("stop",))
    is_known: bool = True  # its subscriber logged in: the session is his

    @property
    def key(self) -> tuple[str, str, str]:
        return self.nas, self.acct_session_id, self.username


@dataclass(frozen=True, slots=True)
class Verdict:
    """Each list holds what is wrong, by session; all empty is what was promised."""

    records: int
    lost: Sequence[str]  # acknowledged and not there
    doubled: Sequence[str]  # more octets or seconds than were reported, or a session too many
    short: Sequence[str]  # fewer than were reported, or nobody's
    left_open: Sequence[str]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.short or self.left_open)


def compare(
    url: str, expected: Iterable[Expected], acknowledged: Iterable[bytes], tag: str = ""
) -> Verdict:
    """Ask the database as its owner.  `tag` is only for telling trials apart in what is said."""
    stored = Counter(row["packet"] for row in sql(url, "SELECT packet FROM accounting_record"))
    lost = [f"{tag}{packet[:20].hex()}" for packet in set(acknowledged) if not stored.get(packet)]
    rows = sql(url, _BOOKS)
    found = {(row["nas"], row["acct_session_id"], row["username"]): row for row in rows}
    too_many = Counter((row["nas"], row["acct_session_id"], row["username"]) for row in rows)
    doubled, short, left_open = [], [], []
    for session in expected:
        too_many[session.key] -= 1
        row = found.get(session.key)
        if row is None:
            lost.append(f"{tag}{session.key}: no session")
            continue
        wanted = (session.session_time_s, session.input_octets, session.output_octets)
        by_session = (row["s_time"], row["s_in"], row["s_out"])
        by_usage = (row["u_time"], row["u_in"], row["u_out"])
        said = f"{tag}{session.key}: {wanted} session {by_session} usage {by_usage}"
        if any(
            one > want
            for told in (by_session, by_usage)
            for one, want in zip(told, wanted, strict=True)
        ):
            doubled.append(said)
        elif by_session != wanted or by_usage != wanted:
            short.append(said)
        elif session.is_known and row["subscriber_id"] is None:
            short.append(f"{said} nobody's")
        if row["closed_by"] not in session.closed_by:
            left_open.append(f"{said} {row['closed_by'] or 'open'}")
    doubled += [f"{tag}{key}: {n} too many" for key, n in too_many.items() if n > 0]
    return Verdict(sum(stored.values()), lost, doubled, short, left_open)
