"""How people come in, over real sockets: what the boxes of each kind send, by radclient."""

import json
from collections.abc import Iterator

import pytest

from tests.peers.programs import needs, run
from tests.peers.test_radclient import received
from tests.serving import PASSWORD, SECRET, Turnpike, eventually, turnpike_process

pytestmark = [pytest.mark.peer, pytest.mark.slow]

OWN, OTHERS = "02:00:5E:10:00:01", "02:00:5E:10:00:02"
ROUTER, BNG, FOREIGN = "127.0.0.1", "127.0.0.2", "127.0.0.3"
PATTERN = r"^(?P<node>\S+) xpon (?P<frame>\d+)/(?P<slot>\d+)/(?P<port>\d+):(?P<onu>\d+)"
PLANS = [
    {"code": "home", "download": "50M", "upload": "20M"},
    {"code": "registration", "download": "1M", "upload": "1M"},
]


def line(name: str, **ways: object) -> dict[str, object]:
    return {"username": name, "plan": "home", "access": "gpon", **ways}


MANIFEST = {
    "tenant": "test-isp",
    "nas": [
        {
            "name": "router",
            "address": ROUTER,
            "secret": SECRET,
            "vendor": "mikrotik",
            "unknown_devices": "registration",
        },
        {
            "name": "bng",
            "address": BNG,
            "secret": SECRET,
            "vendor": "juniper",
            "line_patterns": {"circuit_id": PATTERN},
        },
    ],
    "plan": PLANS,
    "subscriber": [
        {"username": "guest", "password": PASSWORD, "plan": "home", "access": "hotspot"},
        {"username": "tablet", "plan": "home", "access": "hotspot", "mac": OWN},
        line("by-circuit", circuit_id="SW7 eth 0/1:100"),
        line("by-remote", remote_id="0x0006aabb"),
        line("by-serial", onu_serial="485754431A2B3C4D"),
        line("by-duid", duid="00:03:00:01:02:00:5e:10:00:07"),
        line("by-place", line={"node": "OLT1", "frame": 0, "slot": 1, "port": 3, "onu": 12}),
    ],
}
STRANGERS = {
    "tenant": "another-isp",
    "nas": [{"name": "theirs", "address": FOREIGN, "secret": SECRET, "vendor": "mikrotik"}],
    "plan": PLANS,
}


@pytest.fixture(scope="module")
def turnpike() -> Iterator[Turnpike]:
    with turnpike_process(MANIFEST, RADIUS__REJECT_DELAY_S="0") as one:
        one.apply(STRANGERS)
        eventually(lambda: ask(one, "User-Name=x", host=FOREIGN)[0], 10.0)
        yield one


def ask(turnpike: Turnpike, *attributes: str, host: str = ROUTER) -> tuple[str, set[str]]:
    """As a NAS at this address; the name of the answer, or "" for silence, and what is in it."""
    done = run(
        needs("radclient"),
        *("-x", "-r", "1", "-t", "3", f"127.0.0.1:{turnpike.ports['auth']}", "auth", SECRET),
        stdin=", ".join(
            (*attributes, f"Packet-Src-IP-Address={host}", "Message-Authenticator=0x00")
        ),
    )
    return received(done.stdout)


def rates(answer: tuple[str, set[str]]) -> str:
    code, attributes = answer
    assert code == "Access-Accept"
    [told] = [one for one in attributes if one.startswith("Mikrotik-Rate-Limit")]
    return told.partition(" = ")[2].strip('"')


HOTSPOT = (
    "NAS-Port-Type=Wireless-802.11",
    "Mikrotik-Host-IP=10.0.0.7",
    "Service-Type=Login-User",
)


def test_a_hotspot_user_and_a_device_of_a_hotspot(turnpike: Turnpike) -> None:
    guest = ("User-Name=guest", f"Calling-Station-Id={OTHERS}", *HOTSPOT)
    assert rates(ask(turnpike, *guest, f"CHAP-Password={PASSWORD}")) == "20M/50M"
    assert ask(turnpike, *guest, "CHAP-Password=wrong")[0] == "Access-Reject"
    for proof in ('CHAP-Password=""', f"User-Password={OWN}", "CHAP-Password=02-00-5e-10-00-01"):
        tablet = (f"User-Name={OWN}", f"Calling-Station-Id={OWN}", *HOTSPOT, proof)
        assert rates(ask(turnpike, *tablet)) == "20M/50M"
    thief = (f"User-Name={OWN}", f"Calling-Station-Id={OTHERS}", *HOTSPOT, f"User-Password={OWN}")
    assert ask(turnpike, *thief)[0] == "Access-Reject"


LINES: dict[str, tuple[str, str | bytes]] = {
    "redback circuit": ("Attr-26.2352.97", "SW7 eth 0/1:100"),
    "adsl-forum circuit": ("Attr-26.3561.1", "SW7 eth 0/1:100"),
    "adsl-forum remote, binary": ("Attr-26.3561.2", b"\0\6\xaa\xbb"),
    "redback remote, binary": ("Attr-26.2352.96", b"\0\6\xaa\xbb"),
    "serial as text": ("Attr-26.3561.2", "HWTC1A2B3C4D"),
    "serial as digits": ("Attr-26.3561.2", "485754431a2b3c4d"),
    "serial as octets": ("Attr-26.3561.2", b"HWTC\x1a\x2b\x3c\x4d"),
}


@pytest.mark.parametrize("how", LINES)
def test_a_line_is_let_in_by_what_the_access_node_says(turnpike: Turnpike, how: str) -> None:
    number, value = LINES[how]
    octets = value if isinstance(value, bytes) else value.encode()
    said = f"{number}=0x{octets.hex()}"
    dhcp = (f"User-Name={OTHERS}", f"Calling-Station-Id=1:{OTHERS}", 'User-Password=""')
    assert rates(ask(turnpike, *dhcp, said)) == "20M/50M"
    # The same words in a session of PPP, and from a box of another tenant, are nobody's.
    ppp = ("User-Name=by-circuit", "Framed-Protocol=PPP", "User-Password=x", said)
    assert ask(turnpike, *ppp)[0] == "Access-Reject"
    assert ask(turnpike, *dhcp, said, host=FOREIGN)[0] == "Access-Reject"


def test_a_client_of_dhcpv6_and_a_line_by_its_pattern(turnpike: Turnpike) -> None:
    client = "0x0003000102005e100007"
    v6 = (f'User-Name="{client}"', "Calling-Station-Id=02:00:5e:10:00:07")
    assert rates(ask(turnpike, *v6)) == "20M/50M"
    for ending in ("", ".4000", "/HWTC99999999"):
        name = f"OLT1 xpon 0/01/3:12{ending}".encode().hex()
        request = ("User-Name=any", f"Attr-26.3561.1=0x{name}")
        assert ask(turnpike, *request, host=BNG)[0] == "Access-Accept"
    unread = b"OLT1 epon 0/1".hex()
    request = ("User-Name=unread", f"Attr-26.3561.1=0x{unread}")
    assert ask(turnpike, *request, host=BNG)[0] == "Access-Reject"


def test_who_is_unknown_registers_and_is_known(turnpike: Turnpike) -> None:
    """From the garden of registration to the plan, without a reject in between."""
    new = "02:00:5E:10:00:99"
    request = (f"User-Name={new}", f"Calling-Station-Id={new}", *HOTSPOT, 'User-Password=""')
    answer = ask(turnpike, *request)
    assert rates(answer) == "1M/1M"
    assert "Session-Timeout = 600" in answer[1]
    subscriber = {"username": "new", "plan": "home", "access": "hotspot", "mac": new}
    turnpike.apply({"tenant": "test-isp", "subscriber": [subscriber]})
    eventually(lambda: rates(ask(turnpike, *request)) == "20M/50M", 10.0)
    ppp = ("User-Name=mallory", "User-Password=x", "Framed-Protocol=PPP")
    assert ask(turnpike, *ppp)[0] == "Access-Reject", "a name is no device"


def test_staff_are_told_by_what_somebody_is_found(turnpike: Turnpike) -> None:
    shown = json.loads(
        turnpike.command("subscriber", "show", "by-place", "--tenant", "test-isp", "--json")
    )
    assert (shown["access"], shown["line"]) == ("gpon", "OLT1 0/1/3:12")
    told = json.loads(turnpike.command("explain", "tablet", "--tenant", "test-isp", "--json"))
    assert (told["outcome"], told["access"]) == ("accept", "hotspot")
    assert told["found_by"] == ["name", "mac 02005e100001"]
