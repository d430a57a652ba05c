"""What was planned and acknowledged against what is in the database: the whole verdict."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.chaos.plan import PlannedSession
from tests.scenarios.flows import sql


@dataclass(frozen=True, slots=True)
class Verdict:
    """Each list holds what is wrong, by session; all empty is what was promised."""

    records: int
    lost: Sequence[str]  # acknowledged and not there
    doubled: Sequence[str]  # more octets or seconds than were reported, or a session too many
    short: Sequence[str]  # fewer than were reported
    left_open: Sequence[str]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.short or self.left_open)


def compare(
    url: str, planned: Sequence[PlannedSession], acknowledged: Iterable[bytes], tag: str = ""
) -> Verdict:
    """Ask the database as its owner.  `tag` is only for telling trials apart in what is said."""
    stored = Counter(row["packet"] for row in sql(url, "SELECT packet FROM accounting_record"))
    lost = [f"{tag}{packet[:20].hex()}" for packet in set(acknowledged) if not stored.get(packet)]
    found = {
        row["username"]: row
        for row in sql(
            url,
            "SELECT s.username, count(*) OVER (PARTITION BY s.username) AS sessions, s.closed_by,"
            " s.session_time_s AS s_time, s.input_octets AS s_in, s.output_octets AS s_out,"
            " coalesce(u_in, 0) AS u_in, coalesce(u_out, 0) AS u_out, coalesce(u_time, 0) AS u_time"
            " FROM session AS s LEFT JOIN ("
            "  SELECT session_id, sum(input_octets)::bigint AS u_in,"
            "         sum(output_octets)::bigint AS u_out, sum(session_time_s)::bigint AS u_time"
            "    FROM usage GROUP BY session_id) AS u ON u.session_id = s.id",
        )
    }
    doubled, short, left_open = [], [], []
    for session in planned:
        row = found.get(session.username)
        if row is None:
            lost.append(f"{tag}{session.username}: no session")
            continue
        wanted = (session.session_time_s, session.input_octets, session.output_octets)
        by_session = (row["s_time"], row["s_in"], row["s_out"])
        by_usage = (row["u_time"], row["u_in"], row["u_out"])
        said = f"{tag}{session.username}: {wanted} session {by_session} usage {by_usage}"
        if row["sessions"] > 1 or any(
            one > want
            for told in (by_session, by_usage)
            for one, want in zip(told, wanted, strict=True)
        ):
            doubled.append(said)
        elif by_session != wanted or by_usage != wanted:
            short.append(said)
        if row["closed_by"] != "stop":
            left_open.append(f"{said} {row['closed_by'] or 'open'}")
    return Verdict(sum(stored.values()), lost, doubled, short, left_open)
