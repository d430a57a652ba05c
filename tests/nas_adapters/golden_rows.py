"""What each dialect says, in octets, as rows that anybody can check against the vendor's manual.

`golden/<vendor>.txt` has a row for each thing said: what it is, then where the fact comes from
and how sure it is (vendor docs; RFC; its source; verified by calculation; third-party code
only; unconfirmed), and below it one line an attribute: its octets, and how radclient reads
them.  FreeRADIUS's dictionaries are nobody's here, so its names may differ from ours.

    accept home : vendor docs, RouterOS manual
      1a0f 00003a8c 0809 354d2f32304d | Mikrotik-Rate-Limit = "5M/20M"
    change home slow : ...
    disconnect : ...

``!`` instead of octets is the reason why it cannot be said; ``--`` parts two packets.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path

from core.radius.codec import encode_named
from dictionaries.loader import load
from nas_adapters.base import Attr, SessionRef, Step, Unchangeable
from nas_adapters.profile import Burst, ServiceProfile
from nas_adapters.vendors import vendor

DICTIONARY = load()
GOLDEN = Path(__file__).with_name("golden")
GIB = 2**30

HOME = ServiceProfile(download_bps=20_000_000, upload_bps=5_000_000)
PROFILES = {
    "home": HOME,
    "slow": replace(HOME, download_bps=1_000_000, upload_bps=512_000),
    "burst": replace(HOME, burst=Burst(40_000_000, 10_000_000, 15_000_000, 16, 4_000_000)),
    "ten-gigabit": ServiceProfile(download_bps=10**10, upload_bps=10**10, interim_s=None),
    "unlimited": ServiceProfile(),
    "garden": ServiceProfile(
        download_bps=1_000_000,
        upload_bps=512_000,
        filter_id="walled-garden",
        redirect_url="http://pay.example.net/",
    ),
    "pools": ServiceProfile(
        address_pool="pool-a",
        ipv6_pool="link-a",
        delegated_ipv6_pool="pd-a",
        session_timeout_s=86_400,
        idle_timeout_s=600,
    ),
    "addresses": ServiceProfile(
        address_pool="pool-a",
        static_ipv4=IPv4Address("203.0.113.9"),
        static_ipv6_prefix=IPv6Network("2001:db8:1:42::/64"),
        delegated_ipv6=IPv6Network("2001:db8:42::/56"),
        interim_s=None,
    ),
    "named": replace(HOME, service="svc(5m,20m)", qos_profile="home-20", group="gold", vlan=100),
    "renamed": replace(HOME, service="svc(1m,2m)", qos_profile="home-2", group="gold", vlan=100),
    "limited": ServiceProfile(
        limit_octets=5 * GIB,
        limit_upload_octets=GIB,
        limit_download_octets=6 * GIB,
        interim_s=None,
    ),
}
SESSION = SessionRef(
    acct_session_id="81500012",
    user_name="alice@isp",
    framed_ip="198.51.100.7",
    framed_ipv6="2001:db8:1:7::/64",
    delegated_ipv6="2001:db8:7::/56",
    calling_station="02:00:5E:10:00:01",
    called_station="pppoe-a",
    nas_port=7,
    nas_port_id="lag-1:10.300",
    multi_session_id="m-1",
    nas_identifier="bras-1",
    nas_address="192.0.2.1",
)


@dataclass(slots=True)
class Row:
    """One row of a file."""

    vendor: str
    what: str
    source: str
    packets: list[list[str]] = field(default_factory=lambda: [[]])  # of octets, in hexadecimal
    read_as: list[str] = field(default_factory=list)
    reason: str = ""

    @property
    def said(self) -> tuple[list[list[str]], str]:
        return self.packets, self.reason


def rows_of(name: str) -> Iterator[Row]:
    """The rows of one vendor's file, in its order."""
    row: Row | None = None
    for line in (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            if row is not None:
                yield row
            what, colon, source = line.partition(" : ")
            assert colon, f"{name}: {line}: no source"
            row = Row(name, what.strip(), source.strip())
            continue
        assert row is not None
        text = line.strip()
        if text.startswith("!"):
            row.reason = text[1:].strip()
        elif text == "--":
            row.packets.append([])
        else:
            octets, _, read_as = text.partition(" | ")
            row.packets[-1].append(octets.replace(" ", ""))
            row.read_as.append(read_as)
    if row is not None:
        yield row


def says(name: str, what: str) -> tuple[list[list[str]], str]:
    """What the dialect says of it: packets of attributes in hexadecimal, or the reason."""
    verb, *which = what.split()
    spoken = vendor(name)
    profiles = [PROFILES[each] for each in which]
    if verb == "accept":
        return [octets_of(spoken.render(*profiles))], ""
    answer: tuple[Step, ...] | Step | Unchangeable
    if verb == "change":
        before, after = profiles
        answer = spoken.change(after, before, SESSION)
    else:
        answer = spoken.disconnect(SESSION)
    if isinstance(answer, Unchangeable):
        return [[]], answer.reason
    steps = (answer,) if isinstance(answer, Step) else answer
    return [octets_of(step.attributes) for step in steps] or [[]], ""


def octets_of(attributes: tuple[Attr, ...]) -> list[str]:
    return [
        encode_named(DICTIONARY, attr.name, attr.value, tag=attr.tag).hex() for attr in attributes
    ]
