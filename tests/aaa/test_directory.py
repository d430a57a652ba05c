"""The directory as its two users know it: the replicator that writes and a turn that reads."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from aaa.directory import (
    KEYS_PER_COMMIT_MAX,
    DamagedDirectory,
    Directory,
    DirectoryWriter,
    is_filled,
    open_environment,
)
from aaa.records import FORMAT, NasRecord, ProfileRecord, SubscriberRecord
from tests.aaa.replica import environment_at

MAP_SIZE = 1 << 24
Row = tuple[int, bytes, SubscriberRecord]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[lmdb.Environment]:
    one = environment_at(tmp_path / "directory")
    yield one
    one.close()


@pytest.fixture
def writer(environment: lmdb.Environment) -> DirectoryWriter:
    return DirectoryWriter(environment)


@pytest.fixture
def directory(environment: lmdb.Environment, writer: DirectoryWriter) -> Directory:
    return Directory(environment)


def row(number: int, name: bytes, *, tenant_id: int = 1, profile_id: int = 7) -> Row:
    return (tenant_id, name, SubscriberRecord(number, profile_id, b"sealed", 0))


def nas(number: int, name: str = "bras-1") -> NasRecord:
    return NasRecord(number, 1, name, "192.0.2.1/32", "", b"sealed", "generic", True)


def profile(number: int, code: str = "home-50") -> ProfileRecord:
    return ProfileRecord(
        number, 1, code, 50_000_000, None, None, None, None, None, 1, "reject", None, None, None
    )


def found(directory: Directory, name: bytes, tenant_id: int = 1) -> int | None:
    """The id of whoever has this name, in a turn of its own."""
    directory.begin_turn()
    record = directory.subscriber(tenant_id, name)
    directory.end_turn()
    return None if record is None else record.id


def test_what_was_put_is_found_by_exactly_its_octets_in_its_tenant(
    directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"alice\x00x\xff")})
    assert found(directory, b"alice\x00x\xff") == 5
    for other in (b"alice", b"alice\x00x", b"ALICE\x00X\xff", b"alice\x00x\xff\x00", b""):
        assert found(directory, other) is None
    assert found(directory, b"alice\x00x\xff", tenant_id=2) is None


def test_a_renamed_subscriber_leaves_no_old_name(
    directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"alice")})
    writer.put_subscribers({5: row(5, b"bob")})
    assert (found(directory, b"alice"), found(directory, b"bob")) == (None, 5)
    assert writer.count() == 1


def test_two_may_swap_their_names_in_one_commit(
    directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"alice"), 6: row(6, b"bob")})
    writer.put_subscribers({5: row(5, b"bob"), 6: row(6, b"alice")})
    assert (found(directory, b"alice"), found(directory, b"bob")) == (6, 5)


def test_a_name_that_went_to_another_in_an_earlier_commit_stays_with_the_other(
    directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"alice"), 6: row(6, b"bob")})
    writer.put_subscribers({5: row(5, b"bob")})  # 6 comes with the next commit
    writer.put_subscribers({6: row(6, b"carol")})
    assert found(directory, b"bob") == 5
    writer.put_subscribers({6: None})
    assert (found(directory, b"bob"), found(directory, b"carol")) == (5, None)


def test_a_removed_subscriber_is_gone_and_removing_twice_is_harmless(
    directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"alice")})
    for _ in range(2):
        writer.put_subscribers({5: None})
        assert found(directory, b"alice") is None
    assert writer.count() == 0


def test_a_complete_reading_removes_whom_it_did_not_meet(
    directory: Directory, writer: DirectoryWriter
) -> None:
    for start in range(0, 2_500, KEYS_PER_COMMIT_MAX):
        numbers = range(start, min(start + KEYS_PER_COMMIT_MAX, 2_500))
        writer.put_subscribers({number: row(number, b"user-%d" % number) for number in numbers})
    writer.retain_subscribers({3, 2_499})
    assert writer.count() == 2
    assert found(directory, b"user-3") == 3
    assert found(directory, b"user-2499") == 2_499
    assert found(directory, b"user-4") is None


def test_more_than_a_thousand_keys_in_one_commit_are_a_bug(writer: DirectoryWriter) -> None:
    with pytest.raises(AssertionError):
        writer.put_subscribers(dict.fromkeys(range(KEYS_PER_COMMIT_MAX + 1), None))


def test_a_name_longer_than_an_attribute_is_neither_kept_nor_looked_for(
    directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"a" * 253), 6: row(6, b"a" * 600), 7: row(7, b"b")})
    assert found(directory, b"a" * 253) == 5
    assert found(directory, b"a" * 600) is None
    writer.put_subscribers({7: row(7, b"b" * 600)})
    assert found(directory, b"b") is None


def test_a_turn_sees_one_state_however_much_is_written_meanwhile(
    directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"alice")})
    directory.begin_turn()
    writer.put_subscribers({5: None})
    writer.put_tables({1: nas(1)}, {})
    assert directory.subscriber(1, b"alice") is not None
    assert not directory.begin_turn()  # the same turn still
    assert directory.subscriber(1, b"alice") is not None
    assert list(directory.nases()) == []
    directory.end_turn()
    assert directory.begin_turn()
    assert directory.subscriber(1, b"alice") is None
    assert [record.id for record in directory.nases()] == [1]
    directory.end_turn()


def test_a_turn_is_told_of_other_nases_and_profiles_and_not_of_other_subscribers(
    directory: Directory, writer: DirectoryWriter
) -> None:
    def changed() -> bool:
        told = directory.begin_turn()
        directory.end_turn()
        return told

    assert changed()  # the first time everything is new
    assert not changed()
    writer.put_subscribers({5: row(5, b"alice")})
    writer.set_position(b"cluster", 17, 1.5)
    assert not changed()
    writer.put_tables({1: nas(1)}, {})
    assert changed()
    writer.put_tables({}, {7: profile(7)})
    assert changed()
    writer.put_tables({1: None}, {7: None})
    assert changed()
    assert not changed()


def test_tables_are_replaced_by_id(directory: Directory, writer: DirectoryWriter) -> None:
    writer.put_tables({1: nas(1), 2: nas(2, "bras-2")}, {7: profile(7)})
    writer.put_tables({1: nas(1, "renamed"), 2: None}, {})
    directory.begin_turn()
    assert list(directory.nases()) == [nas(1, "renamed")]
    assert list(directory.profiles()) == [profile(7)]
    directory.end_turn()
    assert writer.tables() == ({1}, {7: profile(7)})


def test_the_position_survives_and_is_unknown_at_first(tmp_path: Path) -> None:
    environment = environment_at(tmp_path / "directory")
    writer = DirectoryWriter(environment)
    assert writer.position() is None
    writer.set_position(b"(1, 2, 3)", 2**63, 1.5)
    environment.close()
    environment = environment_at(tmp_path / "directory")
    assert DirectoryWriter(environment).position() == (b"(1, 2, 3)", 2**63)
    environment.close()


def test_a_subscriber_is_found_by_id_under_whatever_name(
    directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"alice"), 6: row(6, b"bob")})
    writer.put_subscribers({5: row(5, b"carol")})
    directory.begin_turn()
    assert directory.subscriber_of(5) == row(5, b"carol")[2]
    assert directory.subscriber_of(7) is None
    directory.end_turn()


def test_readers_learn_when_the_database_was_last_heard_of(
    directory: Directory, writer: DirectoryWriter
) -> None:
    directory.begin_turn()
    directory.end_turn()
    assert directory.current_at_s == 0.0
    writer.set_position(b"cluster", 1, 1_800_000_000.25)
    directory.begin_turn()
    directory.end_turn()
    assert directory.current_at_s == 1_800_000_000.25


def test_records_of_another_format_are_dropped_and_asked_for_again(
    environment: lmdb.Environment, directory: Directory, writer: DirectoryWriter
) -> None:
    writer.put_subscribers({5: row(5, b"alice")})
    writer.put_tables({1: nas(1)}, {7: profile(7)})
    writer.set_position(b"cluster", 17, 1.5)
    with environment.begin(write=True) as txn:
        txn.put(b"format", b"not " + FORMAT, db=environment.open_db(b"meta", txn=txn))
    fresh = DirectoryWriter(environment)
    assert fresh.position() is None
    assert fresh.count() == 0
    assert fresh.tables() == (set(), {})
    assert found(directory, b"alice") is None
    fresh.put_subscribers({5: row(5, b"alice")})
    assert DirectoryWriter(environment).count() == 1  # the format is ours now


def test_the_snapshot_of_a_reader_that_died_is_let_go(
    tmp_path: Path, environment: lmdb.Environment, writer: DirectoryWriter
) -> None:
    """A worker that is killed in a turn would pin its snapshot, and the file would grow."""
    code = (
        "import os, sys; from pathlib import Path;"
        "from tests.aaa.replica import environment_at;"
        "from aaa.directory import Directory;"
        "directory = Directory(environment_at(Path(sys.argv[1])));"
        "directory.begin_turn(); os.kill(os.getpid(), 9)"
    )
    readers = len(environment.readers().splitlines())
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "directory")], check=False, timeout=60
    )
    assert len(environment.readers().splitlines()) > readers
    writer.set_position(b"cluster", 1, 1.5)
    assert len(environment.readers().splitlines()) <= readers


def test_a_damaged_file_is_told_from_an_empty_and_a_filled_one(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    assert not is_filled(path, map_size_octets=MAP_SIZE)
    one = open_environment(path, map_size_octets=MAP_SIZE, readonly=False)
    DirectoryWriter(one).set_position(b"cluster", 7, 1.5)
    one.close()
    assert is_filled(path, map_size_octets=MAP_SIZE)
    (path / "data.mdb").write_bytes(b"not a memory map" * 1024)
    with pytest.raises(DamagedDirectory):
        is_filled(path, map_size_octets=MAP_SIZE)
