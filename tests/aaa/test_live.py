"""Slots: of parallel logins no more are let in than the limit, whichever process asks (P13)."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from aaa.live import ENDED_KEPT_MAX, ENDED_KEPT_S, ENDED_KEPT_S_MAX, Live
from aaa.places import LiveSession

NOW = 1_800_000_000.0
MINUTE_S = 60.0


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    one = Live(tmp_path / "live")
    yield one
    one.close()


def reserve(
    live: Live,
    device: bytes,
    nonce: int,
    *,
    limit: int = 1,
    kick: bool = False,
    now: float = NOW,
    subscriber_id: int = 1,
    sessions: Sequence[LiveSession] = (),
) -> bool:
    return live.reserve(
        subscriber_id,
        device,
        nonce_of(nonce),
        sessions=sessions,
        limit=limit,
        kick=kick,
        now=now,
        until=now + MINUTE_S,
    )


def nonce_of(number: int) -> bytes:
    return b"%016x" % number


def others(live: Live, subscriber_id: int, device: bytes, now: float) -> int:
    return live.occupied(subscriber_id, (), device, now).places


def session(nonce: int, device: bytes = b"a") -> LiveSession:
    return LiveSession(nonce, nonce_of(nonce), f"sid-{nonce}", device, "", int(NOW))


def end(
    live: Live,
    nonce: int,
    *sessions: LiveSession,
    now: float = NOW,
    subscriber_id: int = 1,
    sid: str = "",
) -> None:
    live.ended(subscriber_id, nonce_of(nonce), sid or f"sid-{nonce}", now, sessions=sessions)


def test_the_limit_is_the_limit(live: Live) -> None:
    assert reserve(live, b"a", 1, limit=2)
    assert reserve(live, b"b", 2, limit=2)
    assert not reserve(live, b"c", 3, limit=2)
    assert others(live, 1, b"c", NOW) == 2
    assert others(live, 2, b"c", NOW) == 0  # somebody else's slots are not mine


def test_a_second_device_gets_in_while_the_slot_of_a_session_without_a_name_still_runs(
    live: Live,
) -> None:
    running = replace(session(1, b""), nonce=b"")
    assert reserve(live, b"", 1, limit=2)
    assert reserve(live, b"", 2, limit=2, sessions=[running])
    assert not reserve(live, b"", 3, limit=2, sessions=[running]), "its session may still come"


def test_a_device_that_dials_again_takes_its_own_slot(live: Live) -> None:
    assert reserve(live, b"a", 1)
    assert others(live, 1, b"a", NOW) == 0
    assert reserve(live, b"a", 2)
    assert not reserve(live, b"b", 3)
    end(live, 1)  # the first login's, long replaced
    assert not reserve(live, b"b", 3)
    end(live, 2)
    assert reserve(live, b"b", 3)


def test_a_login_without_a_device_is_always_one_more(live: Live) -> None:
    assert reserve(live, b"", 1, limit=2)
    assert reserve(live, b"", 2, limit=2)
    assert not reserve(live, b"", 3, limit=2)
    assert others(live, 1, b"", NOW) == 2


def test_a_slot_that_nobody_began_to_use_is_free_after_its_time(live: Live) -> None:
    assert reserve(live, b"a", 1)
    assert not reserve(live, b"b", 2, now=NOW + MINUTE_S - 0.001)
    assert others(live, 1, b"b", NOW + MINUTE_S) == 0
    assert reserve(live, b"b", 2, now=NOW + MINUTE_S)
    assert not reserve(live, b"a", 3, now=NOW + MINUTE_S)


def test_where_the_oldest_is_to_go_it_goes(live: Live) -> None:
    for nonce, device in enumerate((b"a", b"b", b"c"), start=1):
        assert reserve(live, device, nonce, limit=2, kick=True, now=NOW + nonce)
    assert others(live, 1, b"a", NOW + 4) == 2  # b and c
    assert others(live, 1, b"b", NOW + 4) == 1
    assert others(live, 1, b"c", NOW + 4) == 1
    assert reserve(live, b"d", 4, limit=1, kick=True, now=NOW + 5)  # the limit was lowered
    assert others(live, 1, b"x", NOW + 5) == 1


def test_an_end_of_what_nobody_holds_changes_nothing(live: Live) -> None:
    end(live, 99)
    assert reserve(live, b"a", 1)
    end(live, 99)
    end(live, 1, subscriber_id=2)
    assert not reserve(live, b"b", 2)


def test_a_session_holds_a_place_and_its_login_none_beside_it(live: Live) -> None:
    assert reserve(live, b"a", 1, limit=2)
    running = [session(1)]
    assert live.occupied(1, running, b"b", NOW) == (1, 0, (1,))
    assert reserve(live, b"b", 2, limit=2, sessions=running)
    assert live.occupied(1, running, b"c", NOW) == (1, 1, (1,))
    assert not reserve(live, b"c", 3, limit=2, sessions=running)
    assert not reserve(live, b"c", 3, limit=1, sessions=running, now=NOW + MINUTE_S)
    assert reserve(live, b"a", 4, limit=1, sessions=running, now=NOW + MINUTE_S), "its own"


def test_a_stop_frees_the_place_at_once_and_until_the_directory_knows(live: Live) -> None:
    """Also where the session was there before the node was started: no slot tells of it."""
    running = [session(1)]
    assert not reserve(live, b"b", 2, sessions=running)
    end(live, 1, *running)
    assert live.occupied(1, running, b"b", NOW).places == 0
    assert reserve(live, b"b", 2, sessions=running)
    assert reserve(live, b"b", 2, sessions=running, now=NOW + ENDED_KEPT_S), "the database is away"
    later = NOW + ENDED_KEPT_S_MAX
    assert live.occupied(1, running, b"c", later).open == 0
    assert reserve(live, b"b", 2, sessions=running, now=later)
    assert not reserve(live, b"c", 3, limit=2, sessions=running, now=later), "opened again since"


def test_a_stop_that_is_sent_again_writes_nothing(live: Live, tmp_path: Path) -> None:
    def written() -> int:
        environment = live._environment
        assert environment is not None
        number: int = environment.info()["last_txnid"]
        return number

    end(live, 1, session(1))
    before = written()
    end(live, 1, session(1), now=NOW + 1)
    end(live, 5, session(1))
    end(live, 1, session(1), sid="another")
    assert written() == before


def test_the_next_session_of_the_same_login_is_not_over_with_the_first(live: Live) -> None:
    """A station that roams keeps its Class and gets another Acct-Session-Id."""
    first, second = session(1), replace(session(1), id=2, acct_session_id="roamed")
    end(live, 1, first)
    assert live.occupied(1, [first, second], b"b", NOW) == (1, 0, (2,))


def test_of_ends_no_more_are_kept_than_that(live: Live) -> None:
    running = [session(nonce, b"%d" % nonce) for nonce in range(1, 2 * ENDED_KEPT_MAX + 1)]
    for one in running:
        end(live, one.id, *running)
    assert live.occupied(1, running, b"x", NOW).open == ENDED_KEPT_MAX


def test_what_the_directory_no_longer_has_is_forgotten(live: Live) -> None:
    end(live, 1, session(1))
    assert reserve(live, b"b", 2, now=NOW + ENDED_KEPT_S)
    assert live.occupied(1, [session(1)], b"b", NOW + ENDED_KEPT_S).open == 1


FULL_DISK = """
import resource, sys
from pathlib import Path
from aaa.live import ENDED_KEPT_MAX, ENDED_KEPT_S, ENDED_KEPT_S_MAX, Live
from aaa.places import LiveSession

live = Live(Path(sys.argv[1]))
grown = (Path(sys.argv[1]) / "data.mdb").stat().st_size
limit = grown + 16 * 4096 if sys.argv[2] == "later" else 0
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
if limit == 0:
    live.close()
    live = Live(Path(sys.argv[1]) / "other")
admitted = sum(
    live.reserve(
        subscriber, b"a", b"%d" % subscriber, limit=1, kick=False, now=1.8e9, until=1.8e9 + 60
    )
    for subscriber in range(2000)
)
second = live.reserve(0, b"b", b"9999", limit=1, kick=False, now=1.8e9, until=1.8e9 + 60)
assert live.occupied(1999, (), b"", 1.8e9).places == 0
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
later = 1.8e9 + 10
again = [
    live.reserve(5000, device, b"1", limit=1, kick=False, now=later, until=later + 60)
    for device in (b"a", b"b")
]
print(admitted, second, live.failures > 0, again)
"""


@pytest.mark.parametrize(
    ("when", "second"), [("later", False), ("from the start", True)], ids=["later", "at the start"]
)
def test_a_disk_that_is_full_lets_everybody_in_and_is_over_when_it_is(
    tmp_path: Path, when: str, second: bool
) -> None:
    """The limit of a file's size stands for the disk's; what was written before still counts."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "live"), when],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"2000 {second} True [True, False]"
    assert done.stdout.count("slots_unusable") in (1, 2)  # opened, asked: not once a login


def test_a_damaged_file_lets_everybody_in(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "data.mdb").write_bytes(b"\x55" * 65536)
    damaged = Live(tmp_path / "live")
    assert reserve(damaged, b"a", 1)
    assert reserve(damaged, b"b", 2)
    assert others(damaged, 1, b"c", NOW) == 0
    assert damaged.occupied(1, [session(1)], b"b", NOW).open == 1, "what the directory has counts"
    end(damaged, 1, session(1))
    assert damaged.failures > 0
    damaged.close()


CONTENDER = """
import sys
from pathlib import Path
from aaa.live import ENDED_KEPT_MAX, ENDED_KEPT_S, ENDED_KEPT_S_MAX, Live
from aaa.places import LiveSession

live, number = Live(Path(sys.argv[1])), int(sys.argv[2])
print("here", flush=True)
sys.stdin.readline()
admitted = sum(
    live.reserve(subscriber, b"%d:%d" % (number, login), b"%d" % (number * 100 + login),
                 limit=1, kick=False, now=1.8e9, until=1.8e9 + 60)
    for subscriber in range(200)
    for login in range(10)
)
print(admitted, flush=True)
"""


@pytest.mark.slow
def test_of_fifty_logins_in_five_processes_exactly_one_is_let_in(tmp_path: Path) -> None:
    """Two hundred such races at once; every process hurries through the same subscribers."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, str(tmp_path / "live"), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(5)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    admitted = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(admitted) == 200
    live = Live(tmp_path / "live")
    assert [others(live, subscriber, b"", 1.8e9) for subscriber in range(200)] == [1] * 200
    live.close()


@pytest.mark.slow
def test_a_process_killed_among_reservations_leaves_no_lock_and_no_damage(tmp_path: Path) -> None:
    code = CONTENDER.replace("range(200)", "range(10**9)")
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "live"), "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        live = Live(tmp_path / "live")
        while not others(live, 300, b"", 1.8e9):
            pass
        process.kill()
        process.communicate(timeout=10)
        assert live.reserve(10**12, b"a", b"1", limit=1, kick=False, now=1.8e9, until=1.8e9 + 60)
        assert others(live, 0, b"", 1.8e9) == 1
        for subscriber in range(301):
            live.ended(subscriber, b"100", "", 1.8e9, sessions=())
        live.close()
