"""FreeRADIUS between the NASes and us: it strips the realm and adds a Proxy-State of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.freeradius import configured, free_port
from tests.peers.programs import needs, run
from tests.peers.test_radclient import PLAN, SIGNED, received
from tests.serving import PASSWORD, SECRET, Turnpike, eventually

pytestmark = [pytest.mark.peer, pytest.mark.slow]

ADDRESS = "127.0.0.43"
NAME = "alice@roaming.example"
WHOLE = "carol@whole.example"  # a realm that is left where it is
PROXY = """
proxy_requests = yes
proxy server {{
    default_fallback = no
}}
home_server turnpike-auth {{
    type = auth
    ipaddr = 127.0.0.1
    port = {home_auth}
    secret = {secret}
    src_ipaddr = {address}
    response_window = 5
    status_check = status-server
    check_interval = 6
}}
home_server turnpike-acct {{
    type = acct
    ipaddr = 127.0.0.1
    port = {home_acct}
    secret = {secret}
    src_ipaddr = {address}
    response_window = 5
    status_check = status-server
    check_interval = 6
}}
home_server_pool turnpike-auth {{
    home_server = turnpike-auth
}}
home_server_pool turnpike-acct {{
    home_server = turnpike-acct
}}
realm roaming.example {{
    auth_pool = turnpike-auth
    acct_pool = turnpike-acct
}}
realm whole.example {{
    auth_pool = turnpike-auth
    nostrip
}}
modules {{
    realm suffix {{
        format = suffix
        delimiter = "@"
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {auth}
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {acct}
    }}
    authorize {{
        suffix
    }}
    preacct {{
        suffix
    }}
}}
"""


class Proxy:
    """Where NASes find it."""

    def __init__(self, isp: Turnpike) -> None:
        self.isp = isp
        self.ports = {"auth": free_port(), "acct": free_port()}

    def ask(self, command: str, *attributes: str) -> tuple[str, set[str]]:
        """What radclient gets; its own Proxy-State must come back, and nobody else's."""
        server = f"127.0.0.1:{self.ports[command]}"
        done = run(
            *(needs("radclient"), "-x", "-r", "1", "-t", "10", server, command, SECRET),
            stdin=", ".join((*attributes, "Proxy-State=0x6f757273")),
        )
        code, told = received(done.stdout)
        states = {one for one in told if one.startswith("Proxy-State")}
        assert states == {"Proxy-State = 0x6f757273"}, done.stdout
        return code, told - states


@pytest.fixture(scope="module")
def proxy(isp: Turnpike) -> Iterator[Proxy]:
    one = Proxy(isp)
    isp.apply(
        {
            "tenant": "test-isp",
            "nas": [{"name": "proxy", "address": ADDRESS, "secret": SECRET}],
            "subscriber": [{"username": WHOLE, "password": PASSWORD, "plan": "home"}],
        }
    )
    with configured(
        needs("freeradius"),
        SECRET,
        PROXY,
        address=ADDRESS,
        home_auth=isp.auth[1],
        home_acct=isp.acct[1],
        auth=one.ports["auth"],
        acct=one.ports["acct"],
    ):
        yield one


@pytest.mark.parametrize("proof", ["User-Password", "CHAP-Password", "MS-CHAP-Password"])
def test_a_name_whose_realm_was_stripped_gets_its_plan(proxy: Proxy, proof: str) -> None:
    code, told = proxy.ask("auth", f"User-Name={NAME}", f"{proof}={PASSWORD}", SIGNED)
    assert code == "Access-Accept"
    assert told >= PLAN


def test_a_wrong_password_is_wrong_through_a_proxy(proxy: Proxy) -> None:
    code, told = proxy.ask("auth", f"User-Name={NAME}", "User-Password=wrong", SIGNED)
    assert code == "Access-Reject"
    assert 'Reply-Message = "Login incorrect"' in told


def test_eap_goes_through_a_proxy_turn_by_turn(proxy: Proxy, tmp_path: Path) -> None:
    """With its realm: EAP's Identity is out of a proxy's reach, and must be the User-Name."""
    file = tmp_path / "eapol.conf"
    login = f'key_mgmt=WPA-EAP\n eap=MSCHAPV2\n identity="{WHOLE}"\n password="{PASSWORD}"'
    file.write_text(f"network={{\n {login}\n}}\n")
    done = run(
        *(needs("eapol_test"), "-c", str(file), "-a", "127.0.0.1"),
        *("-p", str(proxy.ports["auth"]), "-s", SECRET, "-t", "10"),
    )
    assert "MPPE keys OK: 1  mismatch: 0" in done.stdout
    assert done.stdout.rstrip().endswith("SUCCESS")


def test_the_records_of_a_stripped_name_are_its_session(proxy: Proxy) -> None:
    about = (
        f"User-Name={NAME}",
        "Acct-Session-Id=roaming-1",
        "NAS-Identifier=far-away",
        "NAS-IP-Address=192.0.2.77",
        "Framed-IP-Address=198.51.100.7",
    )
    for what in (
        ("Acct-Status-Type=Start",),
        ("Acct-Status-Type=Stop", "Acct-Session-Time=0", "Acct-Output-Octets=4711"),
    ):
        assert proxy.ask("acct", *about, *what) == ("Accounting-Response", set())

    def listed() -> list[dict[str, object]]:
        found = proxy.isp.command("session", "list", "--acct-session-id", "roaming-1", "--json")
        return [one for one in json.loads(found) if one["stopped_at"] is not None]

    eventually(listed, 60.0)
    [session] = listed()
    assert (session["nas"], session["nas_identifier"]) == ("proxy", "far-away")
    assert (session["username"], session["subscriber"]) == ("alice", "alice")
    assert session["output_octets"] == 4711
