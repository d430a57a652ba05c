"""Laws of every dialect, on what really leaves: the octets, read back by the dictionary."""

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.radius.codec import Decoded, decode, encode_named
from core.radius.packet import parse
from core.radius.types import ACCESS_ACCEPT, PACKET_LENGTH_MIN
from dictionaries.definitions import Dictionary
from dictionaries.loader import load
from nas_adapters.profile import NAME_OCTETS_MAX, Burst, ServiceProfile
from nas_adapters.vendors import VENDORS, vendor

DICTIONARY = load()
_CAMPUS = {d.path: d for d in DICTIONARY if d.name.startswith("HW-Campus-")}
CAMPUS = Dictionary([_CAMPUS.get(d.path, d) for d in DICTIONARY], DICTIONARY.vendors)
OCTETS_MAX = 2000  # leaves room for the proof, Class and what an operator adds
READ_BY = {"huawei_campus": CAMPUS}
FEWER = 25  # examples for each of so many dialects

rates = st.builds(  # of any size, and as often as not a round one
    lambda size, unit: size * unit,
    st.integers(1, 10**6) | st.integers(1, 10**8),
    st.sampled_from([1, 10, 100, 1000, 1024, 10**6]),
)
seconds = st.integers(-(2**40), 2**40)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=63
).filter(lambda name: not name.startswith("0x"))
short_names = names.filter(lambda name: len(name.encode()) <= 100)
bursts = st.builds(Burst, rates, rates, st.none() | rates, st.integers(0, 3600), st.none() | rates)
prefixes = st.builds(
    lambda address, length: IPv6Network((address, length), strict=False),
    st.integers(0, 2**128 - 1),
    st.integers(1, 128),
)
profiles = st.builds(
    ServiceProfile,
    download_bps=st.none() | rates,
    upload_bps=st.none() | rates,
    burst=st.none() | bursts,
    address_pool=st.none() | short_names,
    static_ipv4=st.none() | st.ip_addresses(v=4),
    static_ipv6_prefix=st.none() | prefixes,
    delegated_ipv6=st.none() | prefixes,
    session_timeout_s=st.none() | seconds,
    interim_s=st.none() | seconds,
    filter_id=st.none() | short_names,
    redirect_url=st.none() | short_names,
    limit_octets=st.none() | st.integers(0, 2**70),
    limit_download_octets=st.none() | st.integers(0, 2**70),
    limit_upload_octets=st.none() | st.integers(0, 2**70),
    idle_timeout_s=st.none() | seconds,
    ipv6_pool=st.none() | short_names,
    delegated_ipv6_pool=st.none() | short_names,
    vlan=st.none() | st.integers(1, 4094),
    service=st.none() | short_names,
    group=st.none() | short_names,
)


def encoded(name: str, profile: ServiceProfile) -> bytes:
    return b"".join(
        encode_named(DICTIONARY, attr.name, attr.value, tag=attr.tag)
        for attr in vendor(name).render(profile)
    )


def told(name: str, profile: ServiceProfile) -> dict[str, object]:
    """What the box reads, by attribute."""
    octets = encoded(name, profile)
    header = bytes((ACCESS_ACCEPT, 1)) + (PACKET_LENGTH_MIN + len(octets)).to_bytes(2, "big")
    items = decode(parse(header + bytes(16) + octets), READ_BY.get(name, DICTIONARY))
    read: dict[str, object] = {}
    for item in items:
        assert isinstance(item, Decoded), f"no dictionary has what {name} sends: {item}"
        read[item.name] = item.value
    return read


@pytest.mark.parametrize("name", VENDORS)
@settings(max_examples=FEWER)
@given(profile=profiles)
def test_every_profile_is_attributes_of_the_dictionary_and_leaves_room_in_the_packet(
    name: str, profile: ServiceProfile
) -> None:
    assert len(encoded(name, profile)) <= OCTETS_MAX
    attributes = told(name, profile)
    timeout_s = attributes.get("Session-Timeout", 1)
    interim_s = attributes.get("Acct-Interim-Interval", 60)
    assert isinstance(timeout_s, int)
    assert isinstance(interim_s, int)
    assert timeout_s >= 1
    assert interim_s >= 60


@pytest.mark.parametrize("name", VENDORS)
def test_the_longest_name_fits_every_dialect(name: str) -> None:
    longest = "ä" * (NAME_OCTETS_MAX // 2)
    assert encoded(name, ServiceProfile(address_pool=longest))
    assert encoded(name, ServiceProfile(filter_id=longest, redirect_url=longest))


PAIRS = {  # upload and download, and how many bit/s are one
    "cambium": ("Cambium-ePMP-Max-Burst-Uplink-Rate", "Cambium-ePMP-Max-Burst-Downlink-Rate", 1000),
    "coovachilli": ("CoovaChilli-Bandwidth-Max-Up", "CoovaChilli-Bandwidth-Max-Down", 1000),
    "edgerouter": ("RP-Upstream-Speed-Limit", "RP-Downstream-Speed-Limit", 1000),
    "generic": ("WISPr-Bandwidth-Max-Up", "WISPr-Bandwidth-Max-Down", 1),
    "huawei_bng": (
        "HW-Input-Committed-Information-Rate",
        "HW-Output-Committed-Information-Rate",
        1,
    ),
    "huawei_campus": (
        "HW-Campus-Input-Committed-Information-Rate",
        "HW-Campus-Output-Committed-Information-Rate",
        1,
    ),
    "pfsense": ("pfSense-Bandwidth-Max-Up", "pfSense-Bandwidth-Max-Down", 1),
    "ruckus": ("WISPr-Bandwidth-Max-Up", "WISPr-Bandwidth-Max-Down", 1),
    "unifi": ("WISPr-Bandwidth-Max-Up", "WISPr-Bandwidth-Max-Down", 1),
    "wispr": ("WISPr-Bandwidth-Max-Up", "WISPr-Bandwidth-Max-Down", 1),
    "zte": ("ZTE-Rate-Ctrl-SCR-Up", "ZTE-Rate-Ctrl-SCR-Down", 1000),
    "zte_bps": ("ZTE-Rate-Ctrl-SCR-Up", "ZTE-Rate-Ctrl-SCR-Down", 1),
}
WITHOUT_RATES = ("cisco_xr", "hostapd", "juniper")  # they have names for it, or nothing


def limits_bps(name: str, profile: ServiceProfile) -> tuple[int | None, int | None]:
    """Upload and download in bit/s as the box will understand them; None is no limit."""
    attributes = told(name, profile)
    if name in PAIRS:
        *both, unit_bps = PAIRS[name]
        upload, download = (whole(attributes.get(str(each), 0)) * unit_bps for each in both)
    elif name == "mikrotik":
        line = str(attributes.get("Mikrotik-Rate-Limit", "0/0")).split()[0]
        upload, download = (routeros_bps(part) for part in line.split("/"))
    elif name == "accel_ppp":
        kbit = str(attributes.get("Filter-Id", "0/0")).split("/")
        download, upload = (int(part) * 1000 for part in kbit)
    elif name == "nokia":
        overrides = [
            str(attr.value)
            for attr in vendor(name).render(profile)
            if attr.name == "Alc-Subscriber-QoS-Override"
        ]
        matches = [re.fullmatch(r"([ie]):q:1:pir=([0-9]+),cir=([0-9]+)", o) for o in overrides]
        by_way = {m[1]: int(m[2]) * 1000 for m in matches if m is not None and m[2] == m[3]}
        assert len(by_way) == len(overrides)
        upload, download = by_way.get("i", 0), by_way.get("e", 0)
    else:
        text = str(attributes.get("Cisco-Account-Info", ""))
        by_direction = dict(re.findall(r"([UD]);([0-9]+)", text))
        upload, download = (int(by_direction.get(direction, 0)) for direction in "UD")
    return upload or None, download or None


def whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def routeros_bps(text: str) -> int:
    multiplier = {"k": 1000, "M": 1_000_000}.get(text[-1])
    return int(text[:-1]) * multiplier if multiplier else int(text)


STEP_BPS = {name: pair[2] for name, pair in PAIRS.items()} | {"accel_ppp": 1000, "nokia": 1000}
MOST_BPS = {name: (2**32 - 1) * pair[2] for name, pair in PAIRS.items()} | {
    "accel_ppp": (2**31 - 1) * 1000,
    "edgerouter": (2**31 - 1) * 1000,
}


@pytest.mark.parametrize("name", [name for name in VENDORS if name not in WITHOUT_RATES])
@settings(max_examples=FEWER)
@given(profile=profiles)
def test_a_rate_arrives_as_sold_never_wrapped_never_lifted_and_never_times_1024(
    name: str, profile: ServiceProfile
) -> None:
    step, most = STEP_BPS.get(name, 1), MOST_BPS.get(name)

    def expected(bps: int | None) -> int | None:
        if bps is None:
            return None
        whole = max(bps - bps % step, step)
        return whole if most is None else min(whole, most)

    sold = (expected(profile.upload_bps), expected(profile.download_bps))
    assert limits_bps(name, profile) == sold


@settings(max_examples=FEWER)
@given(profile=profiles.filter(lambda profile: profile.filter_id is not None))
def test_a_filter_reaches_every_box(profile: ServiceProfile) -> None:
    for name in VENDORS:
        values = [str(attr.value) for attr in vendor(name).render(profile)]
        assert any(str(profile.filter_id) in value for value in values), name


@settings(max_examples=FEWER)
@given(profile=profiles, address=st.ip_addresses(v=4))
def test_no_box_is_told_an_address_and_a_pool(
    profile: ServiceProfile, address: IPv4Address
) -> None:
    both = replace(profile, static_ipv4=address, address_pool="pool-a")
    for name in VENDORS:
        attributes = vendor(name).render(both)
        addresses = [
            attr
            for attr in attributes
            if attr.name in ("Framed-IP-Address", "Framed-Pool") or "addr-pool" in str(attr.value)
        ]
        assert len(addresses) == 1, name
