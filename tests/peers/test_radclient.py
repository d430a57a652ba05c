"""radclient and radtest, FreeRADIUS's own clients, log in at a running Turnpike."""

import re

import pytest

from tests.peers.programs import needs, run
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = pytest.mark.peer

SIGNED = "Message-Authenticator=0x00"
# What a PAP or CHAP login gets from a generic NAS's plan, as radclient decodes it.
PLAN = {
    "Session-Timeout = 86400",
    'Framed-Pool = "pool-a"',
    "Acct-Interim-Interval = 300",
    "WISPr-Bandwidth-Max-Up = 20000000",
    "WISPr-Bandwidth-Max-Down = 50000000",
}


def radclient(
    isp: Turnpike,
    *attributes: str,
    command: str = "auth",
    port: str = "auth",
    secret: str = SECRET,
    timeout_s: float = 3,
) -> tuple[str, set[str]]:
    """What came back: the packet's name, or "" for silence, and its attributes."""
    done = run(
        needs("radclient"),
        *("-x", "-r", "1", "-t", str(timeout_s), f"127.0.0.1:{isp.ports[port]}", command, secret),
        stdin=", ".join(attributes),
    )
    return received(done.stdout)


def received(output: str) -> tuple[str, set[str]]:
    answers = output.split("Received ")[1:]
    if not answers:
        return "", set()
    first, *lines = answers[-1].splitlines()
    return first.split(" ")[0], {line.strip() for line in lines if line.startswith("\t")}


def without_chance(attributes: set[str]) -> set[str]:
    return {
        one
        for one in attributes
        if not one.startswith(("Message-Authenticator = ", "Class = 0x61693a"))
    }


@pytest.mark.parametrize("proof", ["User-Password", "CHAP-Password"])
def test_radclient_logs_in_and_gets_the_plan(isp: Turnpike, proof: str) -> None:
    code, attributes = radclient(isp, "User-Name=alice", f"{proof}={PASSWORD}", SIGNED)
    assert code == "Access-Accept"
    assert without_chance(attributes) == PLAN
    assert len(attributes) == len(PLAN) + 2


def test_radclient_logs_in_by_ms_chap_and_gets_keys(isp: Turnpike) -> None:
    code, attributes = radclient(isp, "User-Name=alice", f"MS-CHAP-Password={PASSWORD}", SIGNED)
    assert code == "Access-Accept"
    assert attributes >= PLAN
    # radclient decrypts them: no LM key, since no LM hash is kept, then that of the NT hash.
    assert any(re.fullmatch(r"MS-CHAP-MPPE-Keys = 0x0{16}[0-9a-f]{32}", one) for one in attributes)


@pytest.mark.parametrize("proof", ["User-Password", "CHAP-Password"])
@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", "wrong"), ("nobody", PASSWORD), ("ALICE", PASSWORD)],
    ids=["wrong password", "unknown name", "name in capitals"],
)
def test_radclient_is_rejected_without_a_hint(
    isp: Turnpike, name: str, password: str, proof: str
) -> None:
    code, attributes = radclient(isp, f"User-Name={name}", f"{proof}={password}", SIGNED)
    assert code == "Access-Reject"
    assert without_chance(attributes) == {'Reply-Message = "Login incorrect"'}


def test_radclient_is_told_how_ms_chap_failed(isp: Turnpike) -> None:
    code, attributes = radclient(isp, "User-Name=alice", "MS-CHAP-Password=wrong", SIGNED)
    assert code == "Access-Reject"
    assert any(one.startswith('MS-CHAP-Error = "') and "E=691 R=" in one for one in attributes)


@pytest.mark.parametrize(
    ("attributes", "secret"),
    [
        pytest.param((SIGNED,), "another-secret", id="wrong secret"),
        pytest.param((), SECRET, id="no Message-Authenticator"),
        pytest.param(
            (SIGNED, "Packet-Src-IP-Address=127.0.0.99"), SECRET, id="a NAS that nobody knows"
        ),
    ],
)
def test_radclient_hears_nothing(isp: Turnpike, attributes: tuple[str, ...], secret: str) -> None:
    login = ("User-Name=alice", f"User-Password={PASSWORD}", *attributes)
    assert radclient(isp, *login, secret=secret, timeout_s=0.7) == ("", set())


@pytest.mark.parametrize("port", ["auth", "acct"])
def test_radclient_asks_whether_we_are_there(isp: Turnpike, port: str) -> None:
    code, attributes = radclient(isp, SIGNED, command="status", port=port)
    assert code == {"auth": "Access-Accept", "acct": "Accounting-Response"}[port]
    assert without_chance(attributes) == set()
    assert radclient(isp, SIGNED, command="status", port=port, secret="x", timeout_s=0.5)[0] == ""


@pytest.mark.parametrize("kind", ["pap", "chap", "mschap"])
def test_radtest_logs_in(isp: Turnpike, kind: str) -> None:
    server = f"127.0.0.1:{isp.ports['auth']}"
    done = run(needs("radtest"), "-t", kind, "alice", PASSWORD, server, "7", SECRET)
    code, attributes = received(done.stdout)
    assert (done.returncode, code) == (0, "Access-Accept")
    assert attributes >= PLAN
