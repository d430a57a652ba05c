"""Changes and ends in mid-session: what is said, what is not, and of which session."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_adapters.base import Attr, SessionRef, Step, Unchangeable, Verb
from nas_adapters.identity import Kind
from nas_adapters.naming import named
from nas_adapters.profile import ServiceProfile
from nas_adapters.vendors import VENDORS, vendor
from tests.nas_adapters.golden_rows import HOME, PROFILES, SESSION, octets_of
from tests.nas_adapters.test_wire import profiles

SLOW = PROFILES["slow"]
IDENTIFICATION = {  # RFC 5176 §3
    *("User-Name", "NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier", "NAS-Port"),
    *("NAS-Port-Id", "Acct-Session-Id", "Acct-Multi-Session-Id", "Calling-Station-Id"),
    *("Called-Station-Id", "Framed-IP-Address", "Framed-IPv6-Prefix", "Framed-IPv6-Address"),
    "Delegated-IPv6-Prefix",
}


def steps(
    name: str,
    wanted: ServiceProfile,
    applied: ServiceProfile | None,
    session: SessionRef = SESSION,
) -> tuple[Step, ...]:
    answer = vendor(name).change(wanted, applied, session)
    assert not isinstance(answer, Unchangeable), answer.reason
    return answer


def said(step: Step) -> list[tuple[str, str | int | bytes]]:
    return [(a.name, a.value) for a in step.attributes if a.name not in IDENTIFICATION]


@pytest.mark.parametrize("name", VENDORS)
def test_a_disconnect_has_identification_alone_and_names_one_session(name: str) -> None:
    step = vendor(name).disconnect(SESSION)
    if name == "pfsense":
        assert isinstance(step, Unchangeable)
        return
    assert isinstance(step, Step)
    assert step.verb is Verb.DISCONNECT
    names = {attr.name for attr in step.attributes}
    assert names <= IDENTIFICATION
    assert names & {"Acct-Session-Id", "Calling-Station-Id"}


@pytest.mark.parametrize("name", VENDORS)
def test_a_session_of_which_only_the_name_is_known_is_not_touched(name: str) -> None:
    """User-Name alone would hit every session of the subscriber (domain: CoA and Disconnect)."""
    nobody = SessionRef(user_name="alice", nas_identifier="bras-1")
    assert isinstance(vendor(name).disconnect(nobody), Unchangeable)
    answer = vendor(name).change(replace(SLOW, service="a"), replace(HOME, service="b"), nobody)
    assert isinstance(answer, Unchangeable)


@pytest.mark.parametrize("name", VENDORS)
@settings(max_examples=15)
@given(profile=profiles)
def test_what_a_session_has_already_is_not_said_again(name: str, profile: ServiceProfile) -> None:
    assert steps(name, profile, profile) == ()


@pytest.mark.parametrize("name", VENDORS)
@settings(max_examples=15)
@given(wanted=profiles, applied=st.none() | profiles)
def test_every_change_can_be_encoded_and_is_a_coa_or_has_a_reason(
    name: str, wanted: ServiceProfile, applied: ServiceProfile | None
) -> None:
    answer = vendor(name).change(wanted, applied, SESSION)
    if isinstance(answer, Unchangeable):
        assert answer.reason
        return
    for step in answer:
        assert step.verb is Verb.COA
        assert sum(len(octets) // 2 for octets in octets_of(step.attributes)) <= 3000
        framed = {"Framed-IP-Address", "Framed-Pool", "Framed-IPv6-Pool"}
        assert not framed & {name for name, _ in said(step)}, "no session can be renumbered"


@pytest.mark.parametrize("name", VENDORS)
def test_a_box_that_takes_no_coa_is_never_sent_one(name: str) -> None:
    spoken = vendor(name)
    if not spoken.abilities.can_coa:
        for wanted, applied in ((SLOW, HOME), (SLOW, None), (PROFILES["garden"], HOME)):
            assert isinstance(spoken.change(wanted, applied, SESSION), Unchangeable)
    if not spoken.abilities.can_disconnect:
        assert isinstance(spoken.disconnect(SESSION), Unchangeable)


@pytest.mark.parametrize("name", VENDORS)
def test_another_address_needs_another_login(name: str) -> None:
    elsewhere = replace(HOME, address_pool="pool-b")
    answer = vendor(name).change(elsewhere, replace(HOME, address_pool="pool-a"), SESSION)
    assert isinstance(answer, Unchangeable)


@pytest.mark.parametrize("name", ["generic", "mikrotik", "cisco", "huawei_bng", "accel_ppp", "zte"])
def test_an_interval_alone_is_no_reason_to_end_a_session(name: str) -> None:
    rarely = replace(HOME, interim_s=600)
    assert all(said(step) == [("Acct-Interim-Interval", 600)] for step in steps(name, rarely, HOME))


def test_where_nobody_knows_what_a_session_has_all_that_can_be_changed_is_said() -> None:
    [step] = steps("mikrotik", replace(SLOW, session_timeout_s=900, filter_id="x"), None)
    assert said(step) == [("Session-Timeout", 900), ("Mikrotik-Rate-Limit", "512k/1M")]


def test_what_the_nas_sent_goes_back_octet_for_octet() -> None:
    odd = replace(SESSION, user_name="al\\x00ice\\\\isp", nas_address="2001:db8::1", nas_port=0)
    attributes = named(odd, ("User-Name", "NAS-IP-Address", "NAS-IPv6-Address", "NAS-Port"))
    assert attributes == (
        Attr("User-Name", b"al\0ice\\isp"),
        Attr("NAS-IPv6-Address", "2001:db8::1"),
        Attr("NAS-Port", 0),
    )


def test_a_name_of_a_nas_that_is_no_address_is_left_out() -> None:
    odd = replace(SESSION, nas_address="bras.example.net")
    assert named(odd, ("NAS-IP-Address", "NAS-IPv6-Address")) == ()


def test_one_ipv6_address_and_a_prefix_are_told_apart() -> None:
    names = ("Framed-IPv6-Prefix", "Framed-IPv6-Address")
    [prefix] = named(SESSION, names)
    assert prefix == Attr("Framed-IPv6-Prefix", "2001:db8:1:7::/64")
    [address] = named(replace(SESSION, framed_ipv6="2001:db8::7"), names)
    assert address == Attr("Framed-IPv6-Address", "2001:db8::7")


def test_accel_ppp_hears_one_matter_a_packet() -> None:
    """It stops at the first of shaper and Session-Timeout that it likes (its source)."""
    for name, rate in (
        ("accel_ppp", [("Filter-Id", "1000/512")]),
        ("edgerouter", [("RP-Upstream-Speed-Limit", 512), ("RP-Downstream-Speed-Limit", 1000)]),
    ):
        shorter = replace(SLOW, session_timeout_s=600)
        packets = [said(step) for step in steps(name, shorter, HOME)]
        assert sorted(packets) == sorted([rate, [("Session-Timeout", 600)]])


def test_a_hotspot_of_mikrotik_gets_a_new_rate_by_a_new_login() -> None:
    for kind in (Kind.HOTSPOT, Kind.MAC):
        answer = vendor("mikrotik").change(SLOW, HOME, replace(SESSION, kind=kind))
        assert isinstance(answer, Unchangeable)
    assert steps("mikrotik", SLOW, HOME, replace(SESSION, kind=Kind.PPPOE))


def test_coovachilli_is_told_the_limits_again_or_would_forget_them() -> None:
    """What its CoA does not say is reset to "no limit" (its source)."""
    limited = replace(SLOW, limit_octets=5 * 2**30, session_timeout_s=600)
    [step] = steps("coovachilli", limited, replace(limited, download_bps=20_000_000))
    assert dict(said(step)) == {
        "Session-Timeout": 600,
        "Acct-Interim-Interval": 300,
        "CoovaChilli-Bandwidth-Max-Up": 512,
        "CoovaChilli-Bandwidth-Max-Down": 1000,
        "CoovaChilli-Max-Total-Octets": 2**30,
        "CoovaChilli-Max-Total-Gigawords": 1,
    }


def test_coovachilli_without_a_user_name_would_not_answer() -> None:
    nameless = replace(SESSION, user_name="")
    assert isinstance(vendor("coovachilli").disconnect(nameless), Unchangeable)


def test_a_throttle_that_a_box_has_no_words_for_is_not_told_as_done() -> None:
    for name in ("juniper", "cisco_xr", "hostapd"):
        answer = vendor(name).change(SLOW, HOME, SESSION)
        assert isinstance(answer, Unchangeable), name


def test_a_service_that_holds_the_rate_is_not_taken_away_without_another() -> None:
    """To stop it alone would lift the limit."""
    for name in ("juniper", "cisco_xr"):
        answer = vendor(name).change(SLOW, replace(HOME, service="svc(20m)"), SESSION)
        assert isinstance(answer, Unchangeable), name
    packets = steps("juniper", ServiceProfile(), ServiceProfile(service="svc(20m)"))
    assert [said(step) for step in packets] == [[("ERX-Service-Deactivate", "svc(20m)")]]


def test_nokia_names_a_session_in_one_way_only() -> None:
    """Two that disagree are NAK 503 (vendor docs)."""
    step = vendor("nokia").disconnect(replace(SESSION, acct_session_id=""))
    assert isinstance(step, Step)
    assert [attr.name for attr in step.attributes] == ["NAS-Port-Id", "Framed-IP-Address"]
