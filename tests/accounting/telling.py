"""What a NAS tells, for tests: records and points with good defaults."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Network

from accounting.about import FRAMED_IPV6_PREFIX, About, about_in, told_in
from accounting.generations import Generation
from accounting.groups import Change, Group
from accounting.points import Mark
from accounting.records import INTERIM, START, STOP, Record
from accounting.usage import Amounts, Usage
from core.radius.packet import attribute, parse
from core.radius.types import (
    CALLING_STATION_ID,
    FRAMED_IP_ADDRESS,
    NAS_IDENTIFIER,
    NAS_PORT_ID,
    USER_NAME,
)

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
        terminate_cause=cause,
        sent_gigawords=wide,
        wide=wide,
        line_bps=line_bps,
        told=told_by(about),
    )


def told_by(about: About) -> bytes:
    """The attributes that make it, as far as tests need any."""
    prefix = IPv6Network(about.framed_ipv6 or "::/0")
    values = {
        USER_NAME: about.user_name.encode(),
        CALLING_STATION_ID: about.calling_station_id.encode(),
        NAS_PORT_ID: about.nas_port_id.encode(),
        NAS_IDENTIFIER: about.nas_identifier.encode(),
        FRAMED_IP_ADDRESS: IPv4Address(about.framed_ipv4).packed if about.framed_ipv4 else b"",
        FRAMED_IPV6_PREFIX: bytes((0, prefix.prefixlen)) + prefix.network_address.packed
        if about.framed_ipv6
        else b"",
    }
    attributes = b"".join(attribute(number, value) for number, value in values.items() if value)
    header = b"\x04\0" + (20 + len(attributes)).to_bytes(2, "big") + bytes(16)
    told = told_in(parse(header + attributes), about.subscriber_id)
    assert about_in(told) == about
    return told


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
