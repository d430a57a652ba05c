"""What a NAS tells, for tests: records and points with good defaults."""

from collections.abc import Iterable

from accounting.generations import Generation
from accounting.groups import Change, Group
from accounting.points import Mark
from accounting.records import INTERIM, START, STOP, About, Record
from accounting.usage import Amounts, Usage

NOON_S = 1_767_268_800  # 2026-01-01 12:00:00 UTC
MB = 1_000_000
ABOUT = About(user_name="alice", subscriber_id=7, nas_identifier="bras-1")


def record(
    status: int,
    at_s: int,
    session_time_s: int | None = None,
    input_octets: int = 0,
    output_octets: int = 0,
    *,
    cause: int = 0,
    stamped: bool = True,
    wide: bool = False,
    line_bps: int | None = None,
    about: About = ABOUT,
    acct_session_id: str = "81200001",
    nas_id: int = 1,
    class_nonce: str = "",
) -> Record:
    """A record `at_s` seconds after noon."""
    return Record(
        status=status,
        tenant_id=1,
        nas_id=nas_id,
        reported=about.nas_identifier,
        acct_session_id=acct_session_id,
        class_nonce=class_nonce,
        at_s=NOON_S + at_s,
        stamped=stamped,
        received_at_s=float(NOON_S + at_s),
        event_timestamp_s=NOON_S + at_s if stamped else None,
        delay_s=None,
        skew_s=0 if stamped else None,
        session_time_s=session_time_s,
        input_octets=input_octets,
        output_octets=output_octets,
        input_packets=0,
        output_packets=0,
        terminate_cause=cause,
        sent_gigawords=wide,
        wide=wide,
        line_bps=line_bps,
        about=about,
    )


def start(at_s: int = 0, **more: object) -> Record:
    return record(START, at_s, 0, **more)  # type: ignore[arg-type]  # keywords of `record`


def interim(at_s: int, session_time_s: int | None, octets: int, **more: object) -> Record:
    """Download only, as most of it is."""
    return record(INTERIM, at_s, session_time_s, 0, octets, **more)  # type: ignore[arg-type]


def stop(at_s: int, session_time_s: int | None, octets: int, **more: object) -> Record:
    return record(STOP, at_s, session_time_s, 0, octets, **more)  # type: ignore[arg-type]


class Told:
    """A group after some records, with the usage rows that were to be appended."""

    def __init__(self) -> None:
        self.group = Group()
        self.rows: list[Usage] = []
        self.sessions: dict[int, Generation] = {}
        self.chunks: dict[int, bytes] = {}

    def __call__(self, *told: Record | Mark, marks: Iterable[Mark] = ()) -> "Told":
        for one in told:
            self.apply(one, tuple(marks))
        return self

    def apply(self, one: Record | Mark, marks: tuple[Mark, ...]) -> Change:
        change = self._ask(one, marks, None)
        if not isinstance(change, Change):
            chunks = [self.chunks[number] for number in sorted(self.chunks)]
            change = self._ask(one, marks, chunks)
        assert isinstance(change, Change)
        # What is stored is what goes on: nothing may live in memory only.
        self.group = Group.decode(change.group.encode(), change.group.abouts)
        self.rows += change.usage
        for chunk in change.sealed:
            self.chunks[chunk.number] = chunk.octets
        for number in change.gone:
            del self.sessions[number]
        for session in change.sessions:
            self.sessions[session.number] = session
        return change

    def _ask(
        self, one: Record | Mark, marks: tuple[Mark, ...], history: list[bytes] | None
    ) -> object:
        if isinstance(one, Mark):
            return self.group.mark(one, history)
        return self.group.add(one, marks, history)

    def usage(self) -> dict[tuple[int, int, int], Amounts]:
        """The sums of all rows by (generation, quarter, confidence)."""
        sums: dict[tuple[int, int, int], Amounts] = {}
        for row in self.rows:
            held = sums.get(row[:3], Amounts())
            sums[row[:3]] = Amounts(*(a + b for a, b in zip(held, row[3:], strict=True)))
        return {key: amounts for key, amounts in sums.items() if any(amounts)}
