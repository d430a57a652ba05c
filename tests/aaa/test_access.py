"""A login from octets to octets: a real directory, the real rules, the reply as a NAS reads it.

Also fault P3 for what the RFCs ask of the decision and of what a reply may hold.
"""

import itertools
import re
import struct
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path

import pytest
from msgspec.structs import replace

from aaa.device import device_of
from aaa.places import SESSIONS_TRUSTED_S, LiveSession
from aaa.policy import Hold
from aaa.records import Personal, Quota, SubscriberRecord, Used
from core.octets import to_text
from core.radius.responder import Source
from tests.aaa.methods.eap_peer import Peer, eap_attributes, eap_response
from tests.aaa.world import (
    BRAS,
    DELAY_S,
    HOME,
    NEWEST,
    OTHER_BRAS,
    PASSWORD,
    SECRET,
    SINGLE,
    STARTED_AT,
    TENANT,
    World,
)
from tests.asking import (
    ACCESS_ACCEPT,
    ACCESS_CHALLENGE,
    ACCESS_REJECT,
    Answer,
    access_request,
    chap,
    hidden,
    md5_conversation,
    pap_request,
    read,
    tlv,
    vsa,
)

AUTHENTICATOR = bytes(range(16))
FOREVER = 0
START_S = int(STARTED_AT)
MAC = tlv(31, "02-00-5E-10-00-01")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.decision_log.close()


def plain(profile: int = HOME.id, **more: object) -> SubscriberRecord:
    return replace(SubscriberRecord(0, profile, b"", FOREVER), **more)


def seconds(answer: Answer) -> int | None:
    values = answer.all(27)
    return struct.unpack("!I", values[0])[0] if values else None


def message(answer: Answer) -> bytes:
    [said] = answer.all(18)
    return said


# --- what an Accept says ----------------------------------------------------


def test_the_right_password_gets_the_plan(world: World) -> None:
    answer = world.login()
    assert answer.code == ACCESS_ACCEPT
    assert seconds(answer) == 86_400
    assert answer.all(85) == [struct.pack("!I", 300)]
    assert answer.of_vendor(14122) == [
        (7, struct.pack("!I", 20_000_000)),
        (8, struct.pack("!I", 50_000_000)),
    ]


def test_class_names_subscriber_and_login_and_no_two_are_alike(world: World) -> None:
    """RFC 2865 §5.25: accounting finds who it was by it, so it comes before any other Class."""
    world.add("b", plain(personal=Personal(None, None, None, tlv(25, "own"))), number=0xAB)
    classes = [world.login("b").all(25) for _ in range(1_000)]
    assert {own for _, own in classes} == {b"own"}
    ours = {first for first, _ in classes}
    assert len(ours) == 1_000
    assert all(re.fullmatch(rb"ai:00000000000000ab[0-9a-f]{16}", each) for each in ours)


def test_a_session_ends_when_what_was_paid_ends(world: World) -> None:
    """RFC 2865 §5.27."""
    world.add("b", plain(valid_until_s=START_S + 3600), number=2)
    assert seconds(world.login("b")) == 3600
    world.clock.at = 3599.5
    assert seconds(world.login("b")) == 1
    world.clock.at = 3600.0
    assert message(world.login("b")) == b"Subscription expired"


def test_addresses_and_extra_attributes_are_the_subscribers_own(world: World) -> None:
    personal = Personal("203.0.113.9", "2001:db8:1:42::/64", "2001:db8:42::/56", tlv(18, "Welcome"))
    world.add("b", plain(personal=personal), number=2)
    answer = world.login("b")
    assert answer.all(8) == [bytes((203, 0, 113, 9))]
    assert answer.all(97) == [b"\0\x40" + bytes.fromhex("20010db800010042") + bytes(8)]
    assert answer.all(123) == [b"\0\x38" + bytes.fromhex("20010db80042") + bytes(10)]
    assert answer.all(18) == [b"Welcome"]


@pytest.mark.parametrize(
    ("record", "source", "more", "why"),
    [
        pytest.param(
            plain(holds=(Hold("staff", "reject", 0, FOREVER),)), BRAS, b"", b"Account suspended",
            id="held",
        ),
        pytest.param(
            plain(valid_until_s=START_S), BRAS, b"", b"Subscription expired", id="expired"
        ),
        pytest.param(plain(0), BRAS, b"", b"No active subscription", id="no plan"),
        pytest.param(plain(99), BRAS, b"", b"No active subscription", id="a plan that is gone"),
        pytest.param(
            plain(bound_nas_ids=(2,)), BRAS, b"", b"Not allowed from this access point", id="NAS"
        ),
        pytest.param(plain(bound_nas_ids=(2,)), OTHER_BRAS, b"", None, id="the NAS it is bound to"),
        pytest.param(
            plain(bound_macs=("02005e100001",)), BRAS, b"", b"Not allowed from this device",
            id="no MAC",
        ),
        pytest.param(
            plain(bound_macs=("02005e100001",)), BRAS, tlv(31, "02005e.100002"),
            b"Not allowed from this device", id="another MAC",
        ),
        pytest.param(plain(bound_macs=("02005e100001",)), BRAS, MAC, None, id="dashes"),
        pytest.param(
            plain(bound_macs=("02005e100001",)), BRAS, tlv(31, "0200.5e10.0001"), None,
            id="dots",
        ),
        pytest.param(
            plain(holds=(Hold("staff", "reject", START_S + 60, FOREVER),)), BRAS, b"", None,
            id="held from tomorrow on",
        ),
        pytest.param(
            plain(holds=(Hold("staff", "reject", 0, START_S),)), BRAS, b"", None,
            id="held until yesterday",
        ),
    ],
)  # fmt: skip
def test_who_may_log_in_and_what_the_others_are_told(
    world: World, record: SubscriberRecord, source: Source, more: bytes, why: bytes | None
) -> None:
    world.add("b", record, number=2)
    answer = world.login("b", PASSWORD, more, source=source)
    assert answer.code == (ACCESS_ACCEPT if why is None else ACCESS_REJECT)
    assert why is None or message(answer) == why
    if why is not None:  # and only whoever proved himself hears it
        assert message(world.login("b", "wrong", more, source=source)) == b"Login incorrect"


def test_who_is_held_in_a_walled_garden_gets_it_instead_of_the_plan(world: World) -> None:
    personal = Personal("203.0.113.9", None, None, b"")
    holds = (Hold("dunning", "walled_garden", 0, FOREVER),)
    world.add("b", plain(holds=holds, personal=personal), number=2)
    answer = world.login("b")
    assert answer.code == ACCESS_ACCEPT
    assert answer.all(11) == [b"garden"]
    assert seconds(answer) == 600, "so that it ends soon after the debt is paid"
    assert answer.all(8) == [], "the static address would lead past the garden"
    assert answer.of_vendor(14122)[1] == (8, struct.pack("!I", 1_000_000))


def test_nothing_of_ones_own_leads_out_of_the_garden(world: World) -> None:
    """The pool, the rates and the times of a subscriber's own stood behind the garden's."""
    reply = tlv(88, "free") + tlv(18, "Pay") + vsa(14122, 8, bytes(4)) + tlv(25, "own")
    reply += tlv(27, bytes(4)) + tlv(11, "all")
    holds = (Hold("dunning", "walled_garden", 0, FOREVER),)
    world.add("b", plain(holds=holds, personal=Personal(None, None, None, reply)), number=2)
    answer = world.login("b")
    assert (answer.all(88), answer.all(11), seconds(answer)) == ([], [b"garden"], 600)
    assert [number for number, _ in answer.of_vendor(14122)] == [7, 8]
    assert (message(answer), answer.all(25)[1:]) == (b"Pay", [b"own"])
    world.add("b", plain(personal=Personal(None, None, None, tlv(88, "free"))), number=2)
    assert world.login("b").all(88) == [b"free"]


@pytest.mark.parametrize(
    ("vendor", "more", "personal"),
    [
        pytest.param("cisco", {"address_pool": "p" * 240}, None, id="too long a pool"),
        pytest.param("acme", {}, None, id="a vendor that nobody knows"),
        pytest.param(
            "generic", {}, Personal("2001:db8::1", None, None, b""), id="IPv6 for an IPv4 address"
        ),
        pytest.param(
            "generic", {}, Personal(None, "2001:db8::1/64", None, b""), id="bits behind the prefix"
        ),
        pytest.param(
            "generic", {}, Personal(None, None, None, tlv(18, "x" * 250) * 17), id="too much of it"
        ),
    ],
)
def test_what_cannot_be_said_is_a_reject_that_is_told_and_takes_no_slot(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    vendor: str,
    more: dict[str, str],
    personal: Personal | None,
) -> None:
    """Plain SQL can store it.  It was recorded as an accept, held a slot, and was never sent."""
    world = World(tmp_path, vendor=vendor)
    world.writer.put_tables({}, {SINGLE.id: replace(SINGLE, **more)})
    world.add("b", plain(SINGLE.id, personal=personal), number=2)
    answer = world.login("b", PASSWORD, MAC)
    assert (answer.code, message(answer)) == (ACCESS_REJECT, b"Service unavailable")
    [said] = world.decisions()
    assert (said.outcome, said.reason) == ("reject", "unrenderable")
    assert (said.trace[-1][0], said.trace[-1][2]) == ("render", "unrenderable")
    assert capsys.readouterr().out.count("unrenderable") == 1
    world.writer.put_tables({1: replace(world.nases[1], vendor="generic")}, {SINGLE.id: SINGLE})
    world.add("b", plain(SINGLE.id), number=2)
    assert world.login("b", PASSWORD, tlv(31, "another")).code == ACCESS_ACCEPT
    world.decision_log.close()


# --- the session limit ------------------------------------------------------


def station(number: int) -> bytes:
    return tlv(31, f"02-00-5E-10-00-{number:02X}")


def test_a_slot_is_reserved_at_the_accept_and_free_again_after_a_minute(world: World) -> None:
    world.add("b", plain(SINGLE.id), number=2)
    assert world.login("b", PASSWORD, station(1)).code == ACCESS_ACCEPT
    assert message(world.login("b", PASSWORD, station(2))) == b"Too many sessions"
    world.clock.at = 59.0
    assert world.login("b", PASSWORD, station(2)).code == ACCESS_REJECT
    world.clock.at = 61.0
    assert world.login("b", PASSWORD, station(2)).code == ACCESS_ACCEPT


def test_a_modem_that_redials_is_not_refused_because_of_itself(world: World) -> None:
    world.add("b", plain(SINGLE.id), number=2)
    for _ in range(3):
        assert world.login("b", PASSWORD, station(1)).code == ACCESS_ACCEPT


@pytest.mark.parametrize(
    ("own", "other"),
    [
        pytest.param(tlv(87, "eth1.100"), tlv(87, "eth1.101"), id="NAS-Port-Id"),
        pytest.param(tlv(5, bytes((0, 0, 0, 7))), tlv(5, bytes((0, 0, 0, 8))), id="NAS-Port"),
    ],
)
def test_where_the_nas_tells_no_station_its_port_tells_the_device(
    world: World, own: bytes, other: bytes
) -> None:
    world.add("b", plain(SINGLE.id), number=2)
    for _ in range(3):
        assert world.login("b", PASSWORD, own).code == ACCESS_ACCEPT
    assert message(world.login("b", PASSWORD, other)) == b"Too many sessions"
    assert message(world.login("b")) == b"Too many sessions", "neither: it may be another"


def test_retransmissions_take_no_second_slot(world: World) -> None:
    world.add("b", plain(SINGLE.id), number=2)
    octets = pap_request("b", PASSWORD, secret=SECRET)  # no station: nothing tells it from others
    first = world.respond(octets)
    assert first is not None
    assert {world.respond(octets) for _ in range(100)} == {first}
    assert len([each for each in world.decisions() if each.username == "b"]) == 1


def test_where_the_oldest_makes_room_the_newest_comes_in(world: World) -> None:
    world.add("b", plain(NEWEST.id), number=2)
    for number in range(5):
        assert world.login("b", PASSWORD, station(number)).code == ACCESS_ACCEPT


def running(number: int, station: str, nas_id: int = 1, **more: object) -> LiveSession:
    one = LiveSession(number, b"", "sid", device_of(nas_id, station.encode()), "", START_S)
    return replace(one, **more)


def online(profile: int, *sessions: LiveSession) -> SubscriberRecord:
    return plain(profile, sessions=sessions)


@pytest.mark.parametrize(
    ("sessions", "is_let_in"),
    [
        pytest.param((running(1, "02-00-5e-10-00-01"),), True, id="its own, told in small letters"),
        pytest.param((running(1, "02-00-5E-10-00-01", 2),), False, id="the same on another NAS"),
        pytest.param((running(1, "02-00-5E-10-00-02"),), False, id="another device's"),
        pytest.param((running(1, ""),), False, id="of whom the NAS does not say"),
    ],
)
def test_an_open_session_of_another_device_fills_the_limit(
    world: World, sessions: tuple[LiveSession, ...], is_let_in: bool
) -> None:
    world.add("b", online(SINGLE.id, *sessions), number=2)
    answer = world.login("b", PASSWORD, MAC)
    assert (answer.code == ACCESS_ACCEPT) == is_let_in
    if not is_let_in:
        assert message(answer) == b"Too many sessions"
        [said] = world.decisions()
        assert said.trace[-1][1] == "open=1 reserved=0 limit=1 reject sessions=1"


def test_the_last_place_beside_an_open_session_is_given_once(world: World) -> None:
    world.writer.put_tables({}, {SINGLE.id: replace(SINGLE, session_limit=2)})
    world.add("b", online(SINGLE.id, running(1, "a")), number=2)
    assert world.login("b", PASSWORD, station(1)).code == ACCESS_ACCEPT
    assert world.login("b", PASSWORD, station(2)).code == ACCESS_REJECT
    assert world.decisions()[-1].trace[-1][1] == "open=1 reserved=1 limit=2 reject sessions=1"


def test_where_the_oldest_makes_room_a_login_comes_in_beside_open_sessions(world: World) -> None:
    world.add("b", online(NEWEST.id, running(1, "a")), number=2)
    assert world.login("b", PASSWORD, station(1)).code == ACCESS_ACCEPT


def test_what_the_database_called_open_long_ago_counts_no_more(world: World) -> None:
    world.add("b", online(SINGLE.id, running(1, "a")), number=2)
    world.clock.at = float(SESSIONS_TRUSTED_S - 60)
    assert world.login("b", PASSWORD, station(1)).code == ACCESS_REJECT
    world.clock.at = SESSIONS_TRUSTED_S + 1.0
    assert world.login("b", PASSWORD, station(1)).code == ACCESS_ACCEPT
    assert world.login("b", PASSWORD, station(2)).code == ACCESS_REJECT, "of logins we know"
    world.clock.at += 120
    world.heard_of_database()
    assert world.login("b", PASSWORD, station(3)).code == ACCESS_REJECT


# --- the quota --------------------------------------------------------------

GB = 10**9


def with_quota(world: World, used: Used | None, *sessions: LiveSession, **changes: object) -> None:
    """Subscriber b, who may use 100 GB or ten hours."""
    quota = replace(Quota(100 * GB, 36_000, "total", "throttle", 2_000_000, None, False), **changes)
    world.writer.put_tables(
        {1: replace(world.nases[1], vendor="mikrotik")}, {HOME.id: replace(HOME, quota=quota)}
    )
    world.add("b", plain(quota=used, sessions=sessions), number=2)


MIKROTIK = 14988
# What the plan lets pass in two of its intervals: it slows down, and the word that does so is to
# come before the NAS cuts.
GRACE_S = 600
GRACE = (50_000_000 + 20_000_000) * GRACE_S // 8


def rate(answer: Answer) -> bytes:
    [said] = [octets for number, octets in answer.of_vendor(MIKROTIK) if number == 8]
    return said


def limit(answer: Answer) -> int | None:
    """Mikrotik-Total-Limit and its gigawords, as one number."""
    said = dict(answer.of_vendor(MIKROTIK))
    if 17 not in said:
        return None
    return int.from_bytes(said[17], "big") + (int.from_bytes(said[18], "big") << 32)


def test_a_login_gets_what_is_left_of_the_quota(world: World) -> None:
    with_quota(world, Used(START_S + 86_400, 60 * GB, 32_400))
    answer = world.login("b")
    assert (rate(answer), limit(answer), seconds(answer)) == (
        b"20M/50M",
        40 * GB + GRACE,
        3_600 + GRACE_S,
    )
    said = f"session_timeout_s=4200 limit_octets={40 * GB + GRACE}"
    assert tuple(world.decisions()[-1].trace[-1]) == ("permit", said, "profile")


def test_who_is_cut_at_the_end_of_his_quota_gets_no_more_than_that(world: World) -> None:
    with_quota(world, Used(START_S + 86_400, 60 * GB, 32_400), at="block")
    answer = world.login("b")
    assert (limit(answer), seconds(answer)) == (40 * GB, 3_600)


def test_what_is_left_is_divided_between_the_sessions_that_run(world: World) -> None:
    """domain.md §8.6, without a session limit as well."""
    running_ = [running(number, f"a{number}") for number in (1, 2, 3)]
    with_quota(world, Used(0, 60 * GB, 0), *running_)
    answer = world.login("b", PASSWORD, MAC)
    assert (limit(answer), seconds(answer)) == (10 * GB + GRACE, 9_000 + GRACE_S)


def test_over_quota_a_login_is_throttled_until_the_window_ends(world: World) -> None:
    with_quota(world, Used(START_S + 60, 100 * GB, 0))
    answer = world.login("b")
    assert (rate(answer), limit(answer), seconds(answer)) == (b"20M/2M", None, 86_400)
    world.clock.at = 60.0
    answer = world.login("b")
    assert (rate(answer), limit(answer), seconds(answer)) == (
        b"20M/50M",
        100 * GB + GRACE,
        36_000 + GRACE_S,
    )


def test_over_quota_a_login_is_refused_or_walled_as_the_plan_says(world: World) -> None:
    with_quota(world, Used(0, 100 * GB, 0), at="block")
    answer = world.login("b")
    assert (answer.code, message(answer)) == (ACCESS_REJECT, b"Quota exceeded")
    said = world.decisions()[-1]
    assert (said.reason, said.trace[-1][1]) == (
        "quota",
        f"used={100 * GB} left=0 used_s=0 left_s=36000 at=block",
    )
    with_quota(world, Used(0, 0, 36_000), at="walled_garden")
    answer = world.login("b")
    assert (rate(answer), limit(answer), seconds(answer)) == (b"1M/1M", None, 600)
    with_quota(world, Used(0, 200 * GB, 99_000), at="nothing")
    answer = world.login("b")
    assert (rate(answer), limit(answer), seconds(answer)) == (b"20M/50M", None, 86_400)


def test_who_has_used_nothing_yet_has_all_of_it(world: World) -> None:
    with_quota(world, None, time_s=None)
    answer = world.login("b")
    assert (limit(answer), seconds(answer)) == (100 * GB + GRACE, 86_400)


def test_where_octets_are_weighed_the_nas_is_told_no_limit(world: World) -> None:
    with_quota(world, None, is_weighed=True)
    assert limit(world.login("b")) is None


# --- names ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [b"nemo\0x", b"nemo\0", b"nem", b"NEMO", b"nemo ", b" nemo", b"nem\xef\xbd\x8f", b"n\xe9mo"],
)
def test_a_name_is_its_exact_octets(world: World, name: bytes) -> None:
    assert world.login(name).code == ACCESS_REJECT
    said = world.decisions()[-1]
    assert (said.username, said.reason) == (to_text(name), "unknown-user")
    assert said.subscriber_id == 0


@pytest.mark.parametrize("name", [b"n\xe9mo", "Zoë 東京".encode(), b"a\\b", b"x" * 253])
def test_whatever_octets_a_name_has_it_logs_in(world: World, name: bytes) -> None:
    world.add(name, number=2)
    assert world.login(name).code == ACCESS_ACCEPT
    assert world.decisions()[-1].username == to_text(name)


# --- proofs -----------------------------------------------------------------


identifiers = itertools.cycle(range(256))


def signed(*attributes: bytes) -> bytes:
    """Under one authenticator, so a new Identifier tells it from those before."""
    return access_request(
        b"".join(attributes),
        secret=SECRET,
        identifier=next(identifiers),
        authenticator=AUTHENTICATOR,
    )


NAME = tlv(1, "nemo")
PAP = hidden(PASSWORD.encode(), SECRET, AUTHENTICATOR)
WRONG_PAP = hidden(b"wrong", SECRET, AUTHENTICATOR)
CHAP = chap(PASSWORD.encode(), AUTHENTICATOR)
MS_CHALLENGE = vsa(311, 11, bytes(8))
MS_RESPONSE = vsa(311, 1, bytes(50))
EAP_IDENTITY = tlv(79, b"\x02\x05\x00\x09\x01nemo")


@pytest.mark.parametrize(
    ("attributes", "code", "reason"),
    [
        pytest.param((NAME, PAP), ACCESS_ACCEPT, "", id="PAP"),
        pytest.param((NAME, CHAP), ACCESS_ACCEPT, "", id="CHAP by authenticator (RFC 2865 §5.3)"),
        pytest.param(
            (NAME, tlv(60, "another challenge"), chap(PASSWORD.encode(), b"another challenge")),
            ACCESS_ACCEPT, "", id="CHAP-Challenge (RFC 2865 §5.40)",
        ),
        pytest.param(
            (NAME, CHAP, tlv(60, "another challenge")), ACCESS_REJECT, "password",
            id="CHAP-Challenge wins over the authenticator",
        ),
        pytest.param((NAME, WRONG_PAP), ACCESS_REJECT, "password", id="wrong PAP"),
        pytest.param((NAME,), ACCESS_REJECT, "no-proof", id="none (RFC 2865 §4.1)"),
        pytest.param((PAP,), ACCESS_REJECT, "unknown-user", id="no User-Name (RFC 2865 §5.1)"),
        pytest.param((tlv(1, ""), PAP), ACCESS_REJECT, "unknown-user", id="empty User-Name"),
        pytest.param((NAME, PAP, CHAP), ACCESS_REJECT, "two-proofs", id="PAP and CHAP"),
        pytest.param(
            (NAME, CHAP, WRONG_PAP), ACCESS_REJECT, "two-proofs", id="right CHAP beside wrong PAP"
        ),
        pytest.param((NAME, PAP, PAP), ACCESS_REJECT, "two-proofs", id="PAP twice"),
        pytest.param((NAME, CHAP, CHAP), ACCESS_REJECT, "two-proofs", id="CHAP twice"),
        pytest.param(
            (NAME, PAP, MS_CHALLENGE, MS_RESPONSE), ACCESS_REJECT, "two-proofs",
            id="PAP and MS-CHAP",
        ),
        pytest.param(
            (NAME, PAP, EAP_IDENTITY), ACCESS_REJECT, "two-proofs", id="PAP and EAP (RFC 3579 §3.1)"
        ),
        pytest.param((NAME, tlv(2, bytes(15))), ACCESS_REJECT, "malformed", id="15 octets of PAP"),
        pytest.param((NAME, tlv(2, b"")), ACCESS_REJECT, "malformed", id="no octets of PAP"),
        pytest.param((NAME, tlv(2, bytes(144))), ACCESS_REJECT, "malformed", id="144 of PAP"),
        pytest.param((NAME, tlv(3, bytes(16))), ACCESS_REJECT, "malformed", id="16 octets of CHAP"),
        pytest.param((NAME, tlv(70, bytes(16))), ACCESS_REJECT, "unsupported", id="ARAP"),
    ],
)  # fmt: skip
def test_one_proof_and_the_right_one(
    world: World, attributes: tuple[bytes, ...], code: int, reason: str
) -> None:
    """RFC 2865 §5 has an ill-sized attribute rejected rather than passed over in silence."""
    assert world.answer(signed(*attributes)).code == code
    assert world.decisions()[-1].reason == reason


def test_a_hundred_and_twenty_eight_octets_are_a_password(world: World) -> None:
    password = "é" * 64
    world.add("b", number=2, password=password)
    assert world.login("b", password).code == ACCESS_ACCEPT
    assert world.login("b", password[:-1]).code == ACCESS_REJECT


Ask = Callable[[str, str], bytes]


def _pap(name: str, password: str) -> bytes:
    return pap_request(name, password, secret=SECRET)


def _chap(name: str, password: str) -> bytes:
    challenge = tlv(60, AUTHENTICATOR)
    proof = chap(password.encode(), AUTHENTICATOR)
    return access_request(tlv(1, name) + challenge + proof, secret=SECRET)


def _mschap(name: str, password: str) -> bytes:
    response = md5(password.encode()).digest() * 3  # no right answer to anything
    proof = MS_CHALLENGE + vsa(311, 1, b"\1\1" + bytes(24) + response[:24])
    return access_request(tlv(1, name) + proof, secret=SECRET)


@pytest.mark.parametrize("ask", [_pap, _chap], ids=["PAP", "CHAP"])
def test_an_unknown_name_is_told_what_a_wrong_password_is(world: World, ask: Ask) -> None:
    """The same octets but for the authenticators, after the same delay (fault P9)."""
    unknown = world.answer(ask("nobody", "wrong"))
    wrong = world.answer(ask("nemo", "wrong"))
    assert unknown.code == wrong.code == ACCESS_REJECT
    assert unknown.attributes[1:] == wrong.attributes[1:] == ((18, b"Login incorrect"),)
    assert [each.reason for each in world.decisions()] == ["unknown-user", "password"]


def test_an_unknown_name_looks_the_same_by_ms_chap(world: World) -> None:
    shapes = []
    for name in ("nobody", "nemo"):
        answer = world.answer(_mschap(name, "wrong"))
        [(number, error)] = answer.of_vendor(311)
        assert answer.code == ACCESS_REJECT
        shapes.append((number, re.sub(rb"C=[0-9A-F]{16,32}", b"C=", error), message(answer)))
    assert shapes[0] == shapes[1]


def test_with_the_password_unreadable_nobody_gets_in(world: World) -> None:
    """The key is another: that is no reason to fail, nor to let anybody in."""
    record = replace(plain(), id=2, credential_sealed=b"\1" + bytes(60))
    world.writer.put_subscribers({2: (TENANT, b"b", record)})
    assert message(world.login("b")) == b"Login incorrect"
    record = replace(plain(), id=2)  # none at all
    world.writer.put_subscribers({2: (TENANT, b"b", record)})
    assert message(world.login("b", b"")) == b"Login incorrect"


# --- what a Reject and a Challenge may hold ---------------------------------

REJECT_MAY_HOLD = {18, 33, 79, 80, 26}  # RFC 2865 §5.44, RFC 2869 §5.19, RFC 2548 §2.1.5
CHALLENGE_MAY_HOLD = {18, 24, 26, 27, 28, 33, 79, 80}


def test_rfc2865_s5_44_a_reject_holds_no_more_than_it_may(world: World) -> None:
    personal = Personal("203.0.113.9", None, None, tlv(18, "Welcome") + tlv(25, "own"))
    world.add("b", plain(holds=(Hold("staff", "reject", 0, 0),), personal=personal), number=2)
    for answer in (
        world.login("b", PASSWORD, tlv(33, "p")),
        world.login("nobody"),
        world.answer(signed(NAME)),
        world.answer(_mschap("nemo", "wrong")),
        world.answer(signed(NAME, PAP, EAP_IDENTITY)),
    ):
        assert answer.code == ACCESS_REJECT
        numbers = [number for number, _ in answer.attributes]
        assert set(numbers) <= REJECT_MAY_HOLD
        assert numbers.count(80) == 1


def test_rfc3579_s2_6_a_reject_to_eap_says_failure_and_nothing_to_read(world: World) -> None:
    """§2.6.3 wants an EAP-Failure, §2.6.5 no Reply-Message beside it."""
    world.add("b", plain(holds=(Hold("staff", "reject", 0, 0),)), number=2)
    answers = (
        world.answer(signed(NAME, tlv(79, b"\x02\x05\x00\x06\x04\x00"))),  # no State
        world.answer(signed(NAME, tlv(79, b"\x02\x05\xff\xff\x01"))),  # a length that lies
        world.answer(signed(NAME, PAP, EAP_IDENTITY)),
    )
    for answer in answers:
        assert answer.code == ACCESS_REJECT
        assert answer.all(79) == [b"\x04\x05\x00\x04"]
        assert answer.all(18) == []


def eap_md5(world: World, password: str, name: str = "nemo") -> Answer:
    *challenges, end = md5_conversation(world.answer, SECRET, name, password)
    assert len(challenges) == 2
    for challenge in challenges:
        assert {number for number, _ in challenge.attributes} <= CHALLENGE_MAY_HOLD
        assert len(challenge.all(24)) == 1
    return end


def test_eap_goes_through_its_challenges_and_says_how_it_ended(world: World) -> None:
    right = eap_md5(world, PASSWORD)
    assert (right.code, [each[:1] for each in right.all(79)]) == (ACCESS_ACCEPT, [b"\x03"])
    wrong = eap_md5(world, "wrong")
    assert (wrong.code, [each[:1] for each in wrong.all(79)]) == (ACCESS_REJECT, [b"\x04"])


def test_eap_does_not_tell_who_is_known(world: World) -> None:
    unknown, wrong = eap_md5(world, "wrong", "nobody"), eap_md5(world, "wrong")
    assert unknown.code == wrong.code == ACCESS_REJECT
    assert unknown.attributes[1:] == wrong.attributes[1:]


def test_a_proof_that_holds_is_still_refused_by_the_rules_and_eap_told_so(world: World) -> None:
    world.add("b", plain(holds=(Hold("staff", "reject", 0, 0),)), number=2)
    answer = eap_md5(world, PASSWORD, "b")
    assert (answer.code, [each[:1] for each in answer.all(79)]) == (ACCESS_REJECT, [b"\x04"])
    assert world.decisions()[-1].reason == "suspended"


def eap_mschapv2(world: World, password: str, name: str = "nemo") -> list[tuple[Answer, float]]:
    """The whole conversation, and how long each answer took."""
    peer = Peer(name=name.encode(), password=password)
    told: list[tuple[Answer, float]] = []
    attributes = eap_attributes(eap_response(1, 1, name.encode()))
    while not told or told[-1][0].code == ACCESS_CHALLENGE:
        asked_at = world.clock.at
        request = access_request(
            tlv(1, name) + MAC + attributes, secret=SECRET, identifier=next(identifiers)
        )
        told.append((world.answer(request), world.clock.at - asked_at))
        answer = told[-1][0]
        if answer.code == ACCESS_CHALLENGE:
            [state] = answer.all(24)
            message = b"".join(answer.all(79))
            attributes = eap_attributes(peer.reply_to(message)) + tlv(24, state)
    return told


def test_a_guess_by_eap_mschapv2_is_a_decision_where_the_peer_hears_of_it(world: World) -> None:
    """A guesser read the failure at once, hung up, and was seen nowhere."""
    told = eap_mschapv2(world, "wrong")
    assert [answer.code for answer, _ in told] == [ACCESS_CHALLENGE] * 2 + [ACCESS_REJECT]
    assert [took_s for _, took_s in told] == [0.0, DELAY_S, DELAY_S]
    [said] = world.decisions()
    assert (said.outcome, said.reason, said.method) == ("reject", "password", "eap-mschapv2")
    right = eap_mschapv2(world, PASSWORD)
    assert [answer.code for answer, _ in right] == [ACCESS_CHALLENGE] * 2 + [ACCESS_ACCEPT]
    assert [took_s for _, took_s in right] == [0.0, 0.0, 0.0]
    assert [each.outcome for each in world.decisions()] == ["reject", "accept"]


def test_by_eap_mschapv2_an_unknown_name_is_told_what_a_wrong_password_is(world: World) -> None:
    known, unknown = eap_mschapv2(world, "wrong"), eap_mschapv2(world, "wrong", "nobody")
    for (one, one_took_s), (other, other_took_s) in zip(known, unknown, strict=True):
        assert (one.code, one_took_s) == (other.code, other_took_s)
        assert [len(each) for each in one.all(79)] == [len(each) for each in other.all(79)]
    assert [each.reason for each in world.decisions()] == ["password", "unknown-user"]


# --- guessing (fault P6) ----------------------------------------------------


def test_a_guesser_is_slowed_down_and_the_real_user_elsewhere_is_not(world: World) -> None:
    for _ in range(10):
        assert world.login("nemo", "guess", station(66)).code == ACCESS_REJECT
    assert world.login("nemo", PASSWORD, station(66)).code == ACCESS_REJECT
    assert world.decisions()[-1].reason == "guessing"
    assert world.login("nemo", PASSWORD, station(1)).code == ACCESS_ACCEPT
    assert world.login("nemo", PASSWORD, station(66), source=OTHER_BRAS).code == ACCESS_ACCEPT


def test_whoever_lives_at_a_station_does_not_wait_for_who_guesses_at_others_from_it(
    world: World,
) -> None:
    world.add("new", number=2)
    assert world.login("nemo", PASSWORD, station(66)).code == ACCESS_ACCEPT
    for number in range(50):
        assert world.login(f"user-{number}", "guess", station(66)).code == ACCESS_REJECT
    assert world.login("new", PASSWORD, station(66)).code == ACCESS_REJECT
    assert world.decisions()[-1].reason == "guessing"
    assert world.login("nemo", PASSWORD, station(66)).code == ACCESS_ACCEPT
    assert world.login("new", PASSWORD, station(1)).code == ACCESS_ACCEPT


def test_a_lock_is_over_within_a_minute_however_often_the_real_user_asks(world: World) -> None:
    for _ in range(10):
        world.login("nemo", "guess", station(66))
    locked_at = world.clock.at
    while world.login("nemo", PASSWORD, station(66)).code == ACCESS_REJECT:
        world.clock.at += 0.5
        assert world.clock.at - locked_at <= 60.0


def test_a_guess_sent_ten_times_is_one_guess(world: World) -> None:
    octets = pap_request("nemo", "guess", station(66), secret=SECRET)
    for _ in range(50):
        world.respond(octets)
    assert world.login("nemo", PASSWORD, station(66)).code == ACCESS_ACCEPT


# --- changes, traces, secrets -----------------------------------------------


def test_a_change_is_in_force_with_the_next_datagram(world: World) -> None:
    assert world.login().code == ACCESS_ACCEPT
    world.writer.put_subscribers({1: None})
    assert world.login().code == ACCESS_REJECT
    world.add("nemo")
    world.writer.put_tables({}, {1: replace(HOME, session_timeout_s=60)})
    assert seconds(world.login()) == 60
    world.writer.put_tables({1: None}, {})
    assert world.respond(pap_request("nemo", PASSWORD, secret=SECRET)) is None
    assert world.login(source=OTHER_BRAS).code == ACCESS_ACCEPT


def test_a_nas_whose_secret_changed_is_asked_for_the_new_one(world: World) -> None:
    from_now_on = replace(world.nases[2], id=1, name="bras-1", network="192.0.2.1/32")
    assert world.login().code == ACCESS_ACCEPT
    world.writer.put_tables({1: from_now_on}, {})  # sealed for bras-2: unreadable as bras-1's
    assert world.respond(pap_request("nemo", PASSWORD, secret=SECRET)) is None
    assert world.responder.unknown.drops == {"unknown-client": 1}


def test_every_decision_keeps_its_trace(world: World) -> None:
    world.add("b", plain(SINGLE.id, holds=(Hold("staff", "reject", 0, 0),)), number=2)
    world.login("nemo", PASSWORD, MAC)
    world.login("b", PASSWORD, MAC)
    accepted, rejected = world.decisions()
    assert (accepted.outcome, accepted.reason, accepted.method) == ("accept", "", "pap")
    assert accepted.station == "02-00-5E-10-00-01"
    assert [result for _, _, result in accepted.trace[:-1]] == ["ok"] * 10
    assert (rejected.outcome, rejected.reason, rejected.nas) == ("reject", "suspended", "bras-1")
    assert [step[0] for step in rejected.trace] == ["known", "entitled", "not_held"]
    assert rejected.trace[-1] == ("not_held", "holds=staff:reject", "suspended")


def test_no_secret_is_written_down(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """Fault P12."""
    world.login("nemo", "a wrong s3cret")
    world.login()
    world.answer(_chap("nemo", PASSWORD))
    written = b"".join(path.read_bytes() for path in world.decisions_directory.iterdir())
    said = capfd.readouterr()
    written += (said.out + said.err).encode()
    for secret in (PASSWORD.encode(), b"a wrong s3cret", SECRET):
        assert secret not in written
        assert secret.hex().encode() not in written


def test_the_reply_to_a_copy_is_the_same_while_the_world_goes_on(world: World) -> None:
    octets = pap_request("nemo", PASSWORD, secret=SECRET)
    reply = world.respond(octets)
    assert reply is not None
    world.writer.put_subscribers({1: None})
    assert world.respond(octets) == reply
    assert read(reply, octets, SECRET).code == ACCESS_ACCEPT
