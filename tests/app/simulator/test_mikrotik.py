"""MikroTik as a NAS, packet by packet."""

import pytest

from app.simulator import mikrotik
from app.simulator.events import What
from app.simulator.faults import Coa, Faults
from app.simulator.service import Rates
from tests.app.simulator.driving import ALICE, FAST, Driven, driven, number, told
from tests.asking import tlv, vsa

MIKROTIK = 14988
RATE, ADDRESS_LIST = 8, 19
ME = tlv(1, "alice")


def rate(line: str) -> bytes:
    return vsa(MIKROTIK, RATE, line.encode())


@pytest.fixture
def box() -> Driven:
    return driven(mikrotik.PPPOE)


def test_a_pppoe_login_says_what_routeros_says(box: Driven) -> None:
    box.nas.dial(ALICE, box.now)
    [request] = box.listen()
    said = told(request)
    assert request.code == 1
    assert said[1] == b"alice"
    assert said[31] == b"02:00:5E:10:00:01"
    assert (number(said[6]), number(said[7]), number(said[61])) == (2, 1, 15)
    assert len(said[44]) == 8, "8 hex digits, in the Access-Request already"
    assert request.message_authenticator_at, "as RouterOS signs since 7.15"
    assert 41 not in said


@pytest.mark.parametrize(
    ("line", "upload_bps", "download_bps"),
    [
        pytest.param("5M/20M", 5_000_000, 20_000_000, id="upload first"),
        pytest.param("512k", 512_000, 512_000, id="one rate for both"),
        pytest.param("5M/20M 10M/40M 4M/15M 16/16 8", 5_000_000, 20_000_000, id="with a burst"),
        pytest.param("0/64000", None, 64_000, id="0 is no limit"),
    ],
)
def test_a_rate_is_read_from_the_routers_side(
    box: Driven, line: str, upload_bps: int | None, download_bps: int | None
) -> None:
    session = box.online(rate(line))
    assert session.rates == Rates(upload_bps=upload_bps, download_bps=download_bps)


def test_counters_grow_at_the_rate_that_was_allowed_and_a_throttle_shows_in_them(
    box: Driven,
) -> None:
    session = box.online(rate("8M/80M") + tlv(85, 60))
    [interim] = box.wait(60)
    said = told(interim)
    assert number(said[46]) == 60
    assert (number(said[42]), number(said[43])) == (60_000_000, 600_000_000)
    reply = box.coa(ME, tlv(44, session.acct_session_id), rate("1M/2M"))
    assert reply is not None
    assert reply.code == 44
    [interim] = box.wait(60)
    said = told(interim)
    assert (number(said[42]), number(said[43])) == (67_500_000, 615_000_000)


def test_counters_beyond_32_bits_have_gigawords_unless_they_are_to_be_lost(box: Driven) -> None:
    session = box.online(rate("1M/1M"))
    session.carry(download=5 * 2**32 + 7)
    [interim] = box.wait(300)
    assert (number(told(interim)[53]), session.output_octets >> 32) == (5, 5)
    box.nas.faults = Faults(gigawords=False)
    [interim] = box.wait(300)
    assert 53 not in told(interim)


def test_class_is_echoed_and_the_interval_of_the_accept_is_kept(box: Driven) -> None:
    box.online(tlv(25, b"ai:1") + tlv(25, b"other") + tlv(85, 120))
    start = box.said[-1]
    assert start.all(25) == [b"ai:1", b"other"]
    [interim] = box.wait(120)
    assert interim.all(25) == [b"ai:1", b"other"]


def test_a_session_ends_at_its_timeout_and_says_so(box: Driven) -> None:
    session = box.online(tlv(27, 100))
    [stop] = box.wait(150)
    said = told(stop)
    assert (number(said[40]), number(said[49]), number(said[46])) == (2, 5, 100)
    assert not session.is_online


def test_a_session_ends_at_its_quota_to_the_octet(box: Driven) -> None:
    # 4 GiB and 1 MB: the low half alone would be 1 MB.
    accept = rate("10M/10M") + vsa(MIKROTIK, 17, tlv_int(1_000_000)) + vsa(MIKROTIK, 18, tlv_int(1))
    session = box.online(accept)
    box.wait(3600)
    assert not session.is_online
    assert session.input_octets + session.output_octets == 2**32 + 1_000_000


def tlv_int(value: int) -> bytes:
    return value.to_bytes(4, "big")


def test_a_disconnect_is_answered_with_a_stop_by_admin_reset(box: Driven) -> None:
    session = box.online()
    reply = box.disconnect(ME, tlv(44, session.acct_session_id))
    assert reply is not None
    assert reply.code == 41
    said = told(box.said[-1])
    assert (number(said[40]), number(said[49])) == (2, 6)
    again = box.disconnect(ME, tlv(44, session.acct_session_id))
    assert again is not None
    assert (again.code, again.all(101)) == (42, [tlv_int(503)])


@pytest.mark.parametrize(
    ("attributes", "cause"),
    [
        pytest.param(tlv(88, "pool-b"), 401, id="no other pool"),
        pytest.param(tlv(22, "192.0.2.0/24"), 401, id="no route"),
        pytest.param(rate("fast"), 407, id="no rate that is none"),
        pytest.param(tlv(8, tlv_int(0x01020304)), 503, id="no other address: nobody has it"),
    ],
)
def test_what_routeros_cannot_change_it_refuses(box: Driven, attributes: bytes, cause: int) -> None:
    session = box.online(rate("8M/8M"))
    before = session.service
    reply = box.coa(ME, tlv(44, session.acct_session_id), attributes)
    assert reply is not None
    assert (reply.code, reply.all(101)) == (45, [tlv_int(cause)])
    assert session.service == before


def test_the_walled_garden_is_an_address_list_that_a_coa_can_set(box: Driven) -> None:
    session = box.online(rate("8M/8M"))
    assert not session.is_walled
    box.coa(ME, tlv(44, session.acct_session_id), vsa(MIKROTIK, ADDRESS_LIST, b"walled-garden"))
    assert session.is_walled


def test_a_request_that_another_secret_signed_is_met_with_silence(box: Driven) -> None:
    session = box.online()
    assert box.disconnect(ME, tlv(44, session.acct_session_id), secret=b"guessed") is None
    assert session.is_online
    assert box.events[-1].what is What.IGNORED


@pytest.mark.parametrize(
    ("fault", "code"), [(Coa.NAK_503, 42), (Coa.NO_EFFECT, 41), (Coa.SILENT, None)]
)
def test_a_nas_lies_on_demand_and_does_nothing(box: Driven, fault: Coa, code: int | None) -> None:
    session = box.online()
    box.nas.faults = Faults(coa=fault)
    reply = box.disconnect(ME, tlv(44, session.acct_session_id))
    assert (reply and reply.code) == code
    assert session.is_online


def test_a_forged_answer_is_none_that_a_client_may_believe(box: Driven) -> None:
    box.online()
    box.nas.faults = Faults(coa=Coa.FORGED)
    with pytest.raises(AssertionError, match="Response Authenticator"):
        box.disconnect(ME)


def test_after_a_reboot_everybody_is_gone_and_routeros_does_not_say_so(box: Driven) -> None:
    session = box.online()
    before = len(box.said)
    box.nas.reboot(box.now)
    box.listen()
    assert not session.is_online
    assert len(box.said) == before
    second = box.online(subscriber=FAST)
    assert second.acct_session_id != session.acct_session_id, "the boot counter is in it"


def test_session_ids_are_used_again_on_demand(box: Driven) -> None:
    box.nas.faults = Faults(reuses_session_ids=True)
    session = box.online()
    box.nas.reboot(box.now, says_so=True)
    assert not box.listen(), "it is still without power"
    [booted] = box.wait(2)
    assert number(told(booted)[40]) == 7
    box.now += 1
    assert box.online().acct_session_id == session.acct_session_id


def test_a_hotspot_has_an_address_before_it_logs_in_and_proves_by_chap() -> None:
    box = driven(mikrotik.HOTSPOT)
    box.nas.dial(ALICE, box.now)
    [request] = box.listen()
    said = told(request)
    assert {3, 60, 8} <= said.keys()
    assert 2 not in said
    assert number(said[6]) == 1
    assert request.vendor(MIKROTIK, 10) == said[8]
