import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from app.demo import DOCUMENT, PASSWORD, SECRET, invitation
from app.demo_day import DAY_S, START, moments
from app.manifest import parse
from app.manifest_file import reply_check
from dictionaries.loader import load
from tests.peers.programs import needs


def test_the_demo_meets_every_kind_of_subscriber() -> None:
    manifest = parse(DOCUMENT, reply_check(load()))
    entries = {entry.spec.username: entry for entry in manifest.subscribers}
    assert len(entries) == 20
    assert entries["suspended"].status == "suspended"
    assert entries["walled-garden"].spec.when_suspended == "walled_garden"
    assert entries["expired"].spec.valid_until is not None
    assert entries["bound-to-mac"].spec.bind_mac
    assert entries["bound-to-nas"].spec.bind_nas


def test_a_secret_that_everybody_knows_is_for_this_machine_alone() -> None:
    [nas] = parse(DOCUMENT, reply_check(load())).nases
    assert str(nas.spec.address) == "127.0.0.1/32"


@pytest.mark.parametrize("auth", ["0.0.0.0:1812", "[::]:1812", "127.0.0.1:1812"])
def test_whoever_listens_everywhere_is_invited_to_this_machine(auth: str) -> None:
    told = invitation(auth, "127.0.0.1:8080")
    assert "http://127.0.0.1:8080/" in told
    assert f"radclient -x 127.0.0.1:1812 auth {SECRET}" in told


def test_the_readme_shows_the_line_that_the_demo_shows() -> None:
    [line] = [
        one.strip() for one in invitation("127.0.0.1:1812", "").splitlines() if "radclient" in one
    ]
    assert "Calling-Station-Id" in line, "else the same line again is another device"
    assert line in (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.peer
def test_radclient_understands_the_line_to_paste() -> None:
    needs("radclient")
    line = next(line for line in invitation("127.0.0.1:9", "").splitlines() if "radclient" in line)
    # Nobody listens on the discard port: what counts is what it says it sends.
    line = line.replace("radclient -x", "radclient -x -r 1 -t 0.1")
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert 'User-Name = "home-01"' in done.stdout
    assert f'User-Password = "{PASSWORD}"' in done.stdout


USERS = ["home-02", "fast-01", "guest-01"]
TO_S = 1_800_000_000


def test_a_day_of_the_demo_is_the_same_whenever_it_is_told() -> None:
    day = list(moments(USERS, TO_S - DAY_S, TO_S))
    assert day == list(moments(USERS, TO_S - DAY_S, TO_S))
    assert [one.at_s for one in day] == sorted(one.at_s for one in day)
    assert {one.session.username for one in day} == set(USERS)
    assert len(day) > 200
    later = list(moments(USERS, TO_S - DAY_S, TO_S + 600))
    assert later[: len(day)] == day


def test_counters_of_the_demo_only_grow_and_end_with_the_session() -> None:
    [session, *_] = [one.session for one in moments(USERS, TO_S - DAY_S, TO_S)]
    told = [session.counters(at_s) for at_s in range(session.began_s, session.ends_s + 900, 100)]
    assert told[0] == (0, 0, 0)
    for before, after in pairwise(told):
        assert all(now >= then for now, then in zip(after, before, strict=True))
    assert told[-1] == session.counters(session.ends_s)
    assert told[-1][0] == session.ends_s - session.began_s


def test_nobody_of_the_demo_is_online_twice_at_a_time() -> None:
    ends: dict[str, int] = {}
    for one in moments(USERS, TO_S - 5 * DAY_S, TO_S):
        if one.kind == START:
            assert ends.get(one.session.username, 0) <= one.at_s
            ends[one.session.username] = one.session.ends_s
