"""No secret shows: not in logs, metrics, files, the database, arguments or variables (P12)."""

import base64
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from aaa.methods.md4 import credential_of
from aaa.methods.nt_response import challenge_hash, nt_response
from tests.asking import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    Nas,
    access_request,
    chap,
    pap_request,
    tlv,
    vsa,
)
from tests.scenarios.flows import flows, private_url, processes_of, sql
from tests.serving import ISP, Turnpike, eventually, turnpike_process

NAS_SECRET = "nas-Gx7Qw2Zk-secret"
PASSWORD = "right-Hv3Jm8Tp-password"
GUESS = "wrong-Kd5Rb1Yf-password"
KEY = NAS_SECRET.encode()
MICROSOFT = 311

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


def needles() -> dict[str, bytes]:
    """Every secret in every form that somebody might have written it in."""
    plain = {"NAS secret": KEY, "password": PASSWORD.encode(), "guess": GUESS.encode()}
    for name, password in (("password", PASSWORD), ("guess", GUESS)):
        made = credential_of(password)
        plain[f"NT hash of the {name}"] = made.nt_hash
        plain[f"hash of the NT hash of the {name}"] = made.nt_hash_hash
        plain[f"{name} in UTF-16"] = password.encode("utf-16-le")
    found = dict(plain)
    for name, octets in plain.items():
        found[f"{name} in hex"] = octets.hex().encode()
        found[f"{name} in base64"] = base64.b64encode(octets).rstrip(b"=")
    return found


NEEDLES = needles()


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    manifest = {
        **ISP,
        "nas": [{"name": "local", "address": "127.0.0.1", "secret": NAS_SECRET}],
        "subscriber": [
            {"username": "alice", "password": PASSWORD, "plan": "home"},
            {"username": "held", "password": PASSWORD, "plan": "home", "status": "suspended"},
        ],
    }
    with turnpike_process(manifest, RADIUS__REJECT_DELAY_S="0", LOG__LEVEL="debug") as one:
        log_in_in_every_way(one)
        yield one


def log_in_in_every_way(house: Turnpike) -> None:
    with Nas(house.auth) as nas:
        for number, (attributes, code) in enumerate(
            [
                (tlv(1, "alice") + ms_chap_v2(PASSWORD), ACCESS_ACCEPT),
                (tlv(1, "alice") + ms_chap_v2(GUESS), ACCESS_REJECT),
                (tlv(1, "alice") + ms_chap_v1(PASSWORD), ACCESS_ACCEPT),
                (tlv(1, "alice") + ms_chap_v1(GUESS), ACCESS_REJECT),
                (tlv(1, "alice") + with_chap(PASSWORD), ACCESS_ACCEPT),
                (tlv(1, "alice") + with_chap(GUESS), ACCESS_REJECT),
                (tlv(1, "alice"), ACCESS_REJECT),
                (tlv(1, "alice") + with_chap(PASSWORD) + ms_chap_v2(PASSWORD), ACCESS_REJECT),
            ]
        ):
            request = access_request(attributes, secret=KEY, identifier=number)
            assert nas.answer(request, KEY).code == code, number
        for number, (name, password, code) in enumerate(
            [
                ("alice", PASSWORD, ACCESS_ACCEPT),
                ("alice", GUESS, ACCESS_REJECT),
                ("held", PASSWORD, ACCESS_REJECT),
                ("nobody", GUESS, ACCESS_REJECT),
            ],
            start=100,
        ):
            request = pap_request(name, password, secret=KEY, identifier=number)
            assert nas.answer(request, KEY).code == code, number
        # Malformed in the middle of a password, unsigned, and from a stranger.
        nas.send(pap_request("alice", GUESS, secret=KEY)[:-30])
        nas.send(pap_request("alice", GUESS, secret=KEY, signed=False))
    with flows(house, host="127.0.0.99", secret=NAS_SECRET, ports=2) as strangers:
        assert strangers.codes("alice", PASSWORD, within_s=0.2) == [None, None]
    with flows(house, secret=NAS_SECRET + "x", ports=2) as forgers:
        assert forgers.codes("alice", PASSWORD, within_s=0.2) == [None, None]


def with_chap(password: str) -> bytes:
    challenge = bytes(range(16))
    return chap(password.encode(), challenge) + tlv(60, challenge)


def ms_chap_v1(password: str) -> bytes:
    challenge = bytes(range(8))
    response = nt_response(challenge, credential_of(password).nt_hash)
    return vsa(MICROSOFT, 11, challenge) + vsa(MICROSOFT, 1, b"\x01\x01" + bytes(24) + response)


def ms_chap_v2(password: str) -> bytes:
    challenge, peer = bytes(range(16)), bytes(range(16, 32))
    response = nt_response(
        challenge_hash(peer, challenge, b"alice"), credential_of(password).nt_hash
    )
    return vsa(MICROSOFT, 11, challenge) + vsa(
        MICROSOFT, 25, b"\x01\x00" + peer + bytes(8) + response
    )


def secrets_in(octets: bytes) -> list[str]:
    lower = octets.lower()
    return [
        name
        for name, needle in NEEDLES.items()
        if needle in octets or (name.endswith("in hex") and needle in lower)
    ]


def test_the_search_would_find_them() -> None:
    for name, needle in NEEDLES.items():
        assert name in secrets_in(b"..." + needle + b"...")


def test_none_is_in_the_log_of_any_process_even_when_it_tells_everything(house: Turnpike) -> None:
    assert "event=access_reject" in house.log
    assert secrets_in(house.log_file.read_bytes()) == []


def test_none_is_in_what_the_web_shows(house: Turnpike) -> None:
    for page in ("metrics", "healthz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{house.ports['web']}/{page}") as response:
            assert secrets_in(response.read()) == []


def test_none_is_in_what_commands_show(house: Turnpike) -> None:
    shown = [
        house.command(*arguments)
        for arguments in (
            ("nas", "list", "--json"),
            ("nas", "show", "local"),
            ("subscriber", "list", "--json"),
            ("subscriber", "show", "alice"),
            ("explain", "alice", "--password", PASSWORD, "--json"),
            ("explain", "alice", "--password", GUESS),
            ("decision", "list", "--json"),
        )
    ]
    assert all(shown)
    assert secrets_in("".join(shown).encode()) == []


def test_none_is_in_the_database_of_decisions_though_all_are_there(house: Turnpike) -> None:
    url = private_url(house)
    eventually(lambda: len(sql(url, "SELECT id FROM decision")) >= 12, 5.0)
    told = json.dumps([str(dict(row)) for row in sql(url, "SELECT * FROM decision")])
    assert "ms-chap" in told.lower() or "mschap" in told.lower()
    assert secrets_in(told.encode()) == []


def test_none_is_in_any_argument_or_variable_of_any_process(house: Turnpike) -> None:
    running = processes_of(house)
    assert len([command for command in running.values() if "app.children" in command]) == 6
    for number, command in running.items():
        assert secrets_in(command.encode()) == []
        assert secrets_in((Path("/proc") / str(number) / "environ").read_bytes()) == []


def test_none_is_in_any_file_but_for_the_key_that_opens_them(house: Turnpike) -> None:
    """PostgreSQL's tables and its log of writes included, as a stolen disk would have them."""
    sql(private_url(house), "CHECKPOINT")
    files = 0
    for folder, _, names in os.walk(house.data_dir):
        for name in names:
            path = Path(folder) / name
            if path == house.data_dir / "turnpike.key" or not path.is_file():
                continue
            if path.stat().st_blocks == 0:
                continue
            assert secrets_in(content(path)) == [], path
            files += 1
    assert files > 900  # of which PostgreSQL has most


def content(path: Path) -> bytes:
    """All of it; of a memory map of gigabytes only what was ever written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        found, end = [], 0
        size = os.fstat(descriptor).st_size
        while end < size:
            try:
                start = os.lseek(descriptor, end, os.SEEK_DATA)
            except OSError:  # nothing but a hole from here
                break
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
            found.append(os.pread(descriptor, end - start, start))
        return b"".join(found)
    finally:
        os.close(descriptor)


def test_a_database_url_with_a_password_is_not_told_either(
    fresh_database_url: str,
) -> None:
    """The variable is the operator's own way of telling us; what we write is ours."""
    head, _, query = fresh_database_url.partition("@")
    url = f"{head.partition('//')[0]}//turnpike:db-Nw6Vc9Ls-password@{query}"
    with turnpike_process(serve=False, DATABASE_URL=url, LOG__LEVEL="debug") as house:
        house.start()
        for command in processes_of(house).values():
            assert "db-Nw6Vc9Ls-password" not in command
        house.stop()
        assert "db-Nw6Vc9Ls-password" not in house.log
        for folder, _, names in os.walk(house.data_dir):
            for name in names:
                assert b"db-Nw6Vc9Ls-password" not in content(Path(folder) / name)
