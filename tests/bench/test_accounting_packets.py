"""A stream of records is what boxes would send: each session in order, from its own address."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from accounting.records import INTERIM, START, STOP, NasView, Record
from accounting.request import read
from bench import packets, radload
from bench.accounting_packets import STEPS, WHOLE, Stream, place
from bench.population import INTERIM_S, NASES, SECRET, nas_address
from core.radius.authenticity import SharedSecret
from core.radius.packet import Packet, parse
from core.radius.types import ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, NAS_IP_ADDRESS
from tests.bench.answering import answering

NOON = 1_790_000_000
STREAM = Stream(sessions=512, past=2_048, began_at=NOON)
RECORDS = 3 * WHOLE
SHARED = SharedSecret(SECRET.encode())


def understood(attributes: bytes) -> Record:
    record = read(
        parse(SHARED.request(ACCOUNTING_REQUEST, 0, attributes)), NOON + 36_000, NasView(1, 1)
    )
    assert isinstance(record, Record)
    return record


def sessions(count: int) -> dict[tuple[str, str], list[Record]]:
    found: dict[tuple[str, str], list[Record]] = {}
    for record in map(understood, map(STREAM.record, range(count))):
        found.setdefault((record.reported, record.acct_session_id), []).append(record)
    return found


def test_a_session_starts_reports_every_interval_and_stops() -> None:
    whole = [each for each in sessions(RECORDS).values() if len(each) == STEPS]
    assert whole
    for records in whole:
        assert [one.status for one in records] == [START, *[INTERIM] * (STEPS - 2), STOP]
        assert [one.session_time_s or 0 for one in records] == list(range(0, 3_000, INTERIM_S))
        assert len({one.about for one in records}) == 1
        for before, after in pairwise(records):
            assert after.at_s == before.at_s + INTERIM_S
            assert after.output_octets > before.output_octets
            assert after.input_octets > before.input_octets


def test_a_tenth_of_a_round_starts_and_a_tenth_stops() -> None:
    statuses = [understood(STREAM.record(n)).status for n in range(5_120)]
    assert 480 < statuses.count(START) < 544
    assert 480 < statuses.count(STOP) < 544


def test_some_sessions_pass_what_32_bits_can_count() -> None:
    assert any(each[-1].output_octets > 2**32 for each in sessions(RECORDS).values())


@pytest.mark.parametrize("records", [0, WHOLE, RECORDS])
def test_the_totals_are_those_of_the_records(records: int) -> None:
    found = sessions(records)
    octets = sum(max(each[-1].output_octets, 0) for each in found.values())  # NOT_SENT is -1
    assert STREAM.totals(records) == (len(found), octets)


def test_of_the_past_every_session_is_another_and_a_quarter_is_open() -> None:
    past = [understood(STREAM.past_record(n)) for n in range(STREAM.past)]
    stream = sessions(RECORDS)
    names = {(one.reported, one.acct_session_id) for one in past}
    assert len(names) == STREAM.past
    assert not names & set(stream)
    assert [one.status for one in past].count(START) == STREAM.past // 4
    devices = {one.about.calling_station_id for one in past}
    assert len(devices) == STREAM.past // 4
    assert not devices & {each[0].about.calling_station_id for each in stream.values()}
    assert not any(one.stamped for one in past)


def test_a_part_of_the_stream_is_the_same_octets_wherever_a_file_begins(tmp_path: Path) -> None:
    STREAM.write(tmp_path / "all", 0, 2 * WHOLE)
    STREAM.write(tmp_path / "second", WHOLE, WHOLE)
    _, everything = packets.read(tmp_path / "all")
    _, second = packets.read(tmp_path / "second")
    assert second == everything[WHOLE:]
    assert all(SHARED.authenticates(parse(octets)) for _, octets in second)


@pytest.mark.skipif(
    not (shutil.which("gcc") or shutil.which("cc")), reason="radload needs a C compiler"
)
def test_every_record_leaves_from_its_box_and_a_box_has_one_port(tmp_path: Path) -> None:
    def answer(packet: Packet, _before: int) -> list[bytes]:
        return [SHARED.reply(ACCOUNTING_RESPONSE, packet, b"", signed=False)]

    radload.build()
    STREAM.write(tmp_path / "f", WHOLE, WHOLE)
    with answering(answer) as server:
        outcome = radload.load(
            tmp_path / "f",
            server.port,
            window=16,
            count=WHOLE,
            sources=NASES,
            sockets=NASES,
            timeout_s=5,
        )
    assert outcome.codes == {str(ACCOUNTING_RESPONSE): WHOLE}
    ports = set()
    for address, port, octets in server.received:
        own = parse(octets).get(NAS_IP_ADDRESS)
        assert own == bytes(map(int, address.split(".")))
        ports.add((address, port))
    assert sorted(address for address, _ in ports) == sorted(map(nas_address, range(NASES)))


def test_boxes_take_turns_and_skip_none_of_their_records() -> None:
    positions: dict[int, list[int]] = {}
    for n in range(3 * WHOLE):
        box, position = place(n)
        positions.setdefault(box, []).append(position)
    assert all(each == list(range(3 * WHOLE // NASES)) for each in positions.values())
