"""Each make as a NAS: how it names things, what it reads, how it answers CoA and Disconnect."""

from dataclasses import replace

import pytest

from app.simulator import accel_ppp, cisco, huawei, ipoe
from app.simulator.asker import Kind
from app.simulator.events import What
from app.simulator.makes import MAKES
from app.simulator.personality import Box
from app.simulator.service import Rates
from app.simulator.session import Session
from tests.app.simulator.driving import ALICE, FAST, Driven, driven, number, told
from tests.asking import Answer, tlv, vsa

CISCO, HUAWEI, ADSL, WISPR = 9, 2011, 3561, 14122
ISG = Box(
    "bng-1",
    "192.0.2.1",
    known=frozenset(("FAST", "SLOW", "PLAIN")),
    services={"FAST": Rates(50_000_000, 20_000_000), "SLOW": Rates(1_000_000, 500_000)},
)


def avpair(value: str) -> bytes:
    return vsa(CISCO, 1, value.encode())


def info(value: str) -> bytes:
    return vsa(CISCO, 250, value.encode())


def hw(number: int, value: int | str) -> bytes:
    return vsa(HUAWEI, number, value.encode() if isinstance(value, str) else u32(value))


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def by_id(session: Session) -> bytes:
    return tlv(44, session.acct_session_id)


def outcome(reply: Answer | None) -> tuple[int, int | None]:
    """Code and Error-Cause."""
    assert reply is not None
    causes = [number(value) for value in reply.all(101)]
    return reply.code, causes[0] if causes else None


@pytest.mark.parametrize("make", MAKES)
def test_every_make_logs_in_reports_and_is_disconnected(make: str) -> None:
    box = driven(MAKES[make])
    session = box.online(tlv(25, b"ours") + tlv(85, 60))
    [interim] = box.wait(60)
    assert (number(told(interim)[40]), told(interim)[25]) == (3, b"ours")
    who = by_id(session) + tlv(1, "alice") + tlv(8, told(interim)[8])
    assert outcome(box.disconnect(who)) == (41, None)
    assert number(told(box.said[-1])[49]) == 6, "Admin-Reset"
    assert outcome(box.disconnect(who)) == (42, 503), "and it is gone"


@pytest.mark.parametrize(
    ("make", "station", "port_type"),
    [
        ("mikrotik-pppoe", "02:00:5E:10:00:01", 15),
        ("mikrotik-hotspot", "02:00:5E:10:00:01", 19),
        ("huawei", "0200-5e10-0001", 15),
        ("cisco", "0200.5e10.0001", 33),
        ("accel-ppp", "02:00:5e:10:00:01", 5),
        ("ipoe", "02-00-5E-10-00-01", 15),
    ],
)
def test_each_make_writes_a_mac_address_its_own_way(
    make: str, station: str, port_type: int
) -> None:
    box = driven(MAKES[make])
    box.nas.dial(ALICE, box.now)
    said = told(box.listen()[0])
    assert (said[31].decode(), number(said[61])) == (station, port_type)


def shaped(box: Driven, accept: bytes) -> Rates:
    return box.online(accept).rates


@pytest.mark.parametrize(
    ("written", "rates"),
    [
        pytest.param("50000/20000", Rates(50_000_000, 20_000_000), id="down first, in kbit"),
        pytest.param("5M/512K", Rates(5_000_000, 512_000), id="suffixes"),
        pytest.param("1G", Rates(10**10, 10**10), id="ten times too much, as its source has it"),
        pytest.param("1,5000/1000", Rates(5_000_000, 1_000_000), id="after a time range"),
        pytest.param("0/1000", Rates(None, 1_000_000), id="0 lifts the limit"),
        pytest.param("walled", Rates(), id="what it cannot read, it ignores"),
    ],
)
def test_accel_ppp_shapes_by_filter_id(written: str, rates: Rates) -> None:
    assert shaped(driven(accel_ppp.PERSONALITY), tlv(11, written)) == rates


def test_accel_ppp_stops_at_class_and_acknowledges_what_it_does_not_do() -> None:
    box = driven(accel_ppp.PERSONALITY)
    session = box.online(tlv(11, "8000/8000") + tlv(25, b"old") + tlv(27, 9000))
    change = by_id(session) + tlv(11, "1000/1000") + tlv(25, b"new") + tlv(27, 100)
    assert outcome(box.coa(change)) == (44, None)
    assert session.rates == Rates(1_000_000, 1_000_000)
    assert session.service.classes == (b"new",)
    assert session.service.session_timeout_s == 9000, "it never got there"
    assert outcome(box.coa(by_id(session) + tlv(88, "other-pool"))) == (44, None)
    assert session.service.pool == ""


@pytest.mark.parametrize(
    ("attributes", "result"),
    [
        pytest.param(tlv(11, "fast"), (45, None), id="a shaper it cannot read: no Error-Cause"),
        pytest.param(tlv(32, "bng-2") + tlv(11, "1/1"), (45, 403), id="another NAS's name"),
        pytest.param(tlv(4, u32(0x01010101)) + tlv(11, "1/1"), (45, 403), id="and address"),
        pytest.param(tlv(1, "bob") + tlv(11, "1/1"), (45, 503), id="another name: all must match"),
        pytest.param(tlv(32, "bng-1") + tlv(11, "1/1"), (44, None), id="our own name"),
    ],
)
def test_accel_ppp_answers_naks_as_its_source_does(
    attributes: bytes, result: tuple[int, int | None]
) -> None:
    box = driven(accel_ppp.PERSONALITY)
    session = box.online()
    assert outcome(box.coa(by_id(session) + attributes)) == result


def test_accel_ppp_without_any_identification_finds_nothing() -> None:
    box = driven(accel_ppp.PERSONALITY)
    box.online()
    assert outcome(box.coa(tlv(11, "1/1"))) == (45, 503)


def test_accel_ppp_gives_no_address_of_a_pool_that_it_does_not_know() -> None:
    box = driven(accel_ppp.PERSONALITY, Box("bng-1", "192.0.2.1", known=frozenset(("pool-a",))))
    box.nas.dial(FAST, box.now)
    [request] = box.listen()
    box.answer(request, 2, tlv(88, "pool-b"))
    assert box.nas.sessions == {}
    assert box.events[-1].what is What.UNUSABLE
    assert box.online(tlv(88, "walled-garden")).is_walled


def test_accel_ppp_ends_a_session_whose_records_nobody_takes() -> None:
    box = driven(accel_ppp.PERSONALITY)
    session = box.online()
    records = box.askers[Kind.RECORD]  # the Start waits there, unanswered
    given_up = []
    for _ in range(accel_ppp.PERSONALITY.record_sends + 1):
        box.now += accel_ppp.PERSONALITY.resend_after_s
        given_up += records.tick(box.now)[1]
    [question] = given_up
    box.nas.unanswered(question, box.now)
    assert not session.is_online
    assert session.cause == 9


def test_accel_ppp_reports_zeros_in_the_start_and_can_be_renamed_by_the_accept() -> None:
    box = driven(accel_ppp.PERSONALITY)
    box.online(tlv(1, "alice@isp"))
    said = told(box.said[-1])
    assert (said[1], number(said[42]), number(said[46])) == (b"alice@isp", 0, 0)
    assert 55 not in said


def test_cisco_polices_by_account_info_at_login_and_by_coa() -> None:
    box = driven(cisco.PERSONALITY)
    session = box.online(info("QU;20000000;3750000;7500000;D;50000000;9375000;18750000"))
    assert session.rates == Rates(50_000_000, 20_000_000)
    assert outcome(box.coa(by_id(session) + info("QD;1000000;187500;375000"))) == (44, None)
    assert session.rates == Rates(1_000_000, None)
    assert outcome(box.coa(by_id(session) + info("Qfast"))) == (45, 407)


def test_cisco_starts_and_stops_services_by_command() -> None:
    box = driven(cisco.PERSONALITY, ISG)
    session = box.online(info("AFAST"))
    assert session.rates == Rates(50_000_000, 20_000_000)

    def command(verb: str, service: str) -> tuple[int, int | None]:
        words = avpair(f"subscriber:command={verb}") + avpair(f"subscriber:service-name={service}")
        return outcome(box.coa(by_id(session) + words))

    assert command("deactivate-service", "FAST") == (44, None)
    assert session.rates == Rates()
    assert command("activate-service", "SLOW") == (44, None)
    assert session.rates == Rates(1_000_000, 500_000)
    assert command("activate-service", "NO-SUCH") == (45, 404)
    assert session.service.services == ("SLOW",)


def test_cisco_finds_a_session_by_its_address_and_confines_by_access_list() -> None:
    box = driven(cisco.PERSONALITY)
    session = box.online(avpair("ip:inacl=walled-garden"))
    assert session.is_walled
    assert outcome(box.coa(by_id(session) + avpair("ip:inacl=open"))) == (45, 401)
    assert outcome(box.disconnect(info("S192.0.2.77"))) == (42, 503)
    assert outcome(box.disconnect(info(f"S{session.framed_ip}"))) == (41, None)


def test_huawei_reads_the_peak_rate_and_the_volume_that_is_left() -> None:
    box = driven(huawei.PERSONALITY)
    accept = hw(2, 20_000_000) + hw(3, 30_000_000) + hw(5, 50_000_000) + hw(15, 4096)
    session = box.online(accept)
    assert session.rates == Rates(50_000_000, 30_000_000)
    box.wait(3600)
    assert not session.is_online
    assert session.input_octets + session.output_octets == 4096 * 1024


@pytest.mark.parametrize(
    ("attributes", "result"),
    [
        pytest.param(hw(5, 1_000_000), (44, None), id="a rate"),
        pytest.param(tlv(11, "walled-garden"), (44, None), id="a user group"),
        pytest.param(tlv(11, "no-such-group"), (45, 404), id="no such user group"),
        pytest.param(hw(138, "no-such-domain"), (45, 404), id="no such domain"),
        pytest.param(tlv(88, "pool-b"), (45, 401), id="no other pool"),
    ],
)
def test_huawei_answers_naks_as_its_documents_say(
    attributes: bytes, result: tuple[int, int | None]
) -> None:
    box = driven(huawei.PERSONALITY, Box("bng-1", "192.0.2.1", known=frozenset()))
    session = box.online(hw(5, 50_000_000))
    assert outcome(box.coa(by_id(session) + attributes)) == result


def test_huawei_finds_nobody_by_name_alone_and_counts_in_its_own_unit() -> None:
    box = driven(huawei.PERSONALITY, Box("bng-1", "192.0.2.1", octet_unit=1024))
    session = box.online(hw(2, 8_192_000) + hw(5, 8_192_000))
    assert outcome(box.disconnect(tlv(1, "alice"))) == (42, 402)
    [interim] = box.wait(300)
    assert session.output_octets == 307_200_000
    assert number(told(interim)[43]) == 300_000


def test_an_ipoe_line_is_told_by_option_82() -> None:
    box = driven(ipoe.PERSONALITY)
    line = replace(FAST, circuit_id="OLT1 xpon 0/1/0/3:100.12.HWTC1A2B3C4D", remote_id="cpe-7")
    box.online(vsa(WISPR, 8, u32(5_000_000)), line)
    request = box.said[0]
    assert request.vendor(ADSL, 1) == b"OLT1 xpon 0/1/0/3:100.12.HWTC1A2B3C4D"
    assert request.vendor(ADSL, 2) == b"cpe-7"
    assert 7 not in told(request), "no Framed-Protocol"


def test_an_ipoe_box_refuses_what_it_does_not_know() -> None:
    box = driven(ipoe.PERSONALITY)
    session = box.online(vsa(WISPR, 8, u32(5_000_000)))
    assert outcome(box.coa(by_id(session) + vsa(14988, 8, b"1M/1M"))) == (45, 401)
    assert outcome(box.coa(by_id(session) + vsa(WISPR, 8, u32(1_000_000)))) == (44, None)
    assert session.rates == Rates(1_000_000, None)
    assert outcome(box.disconnect(by_id(session) + tlv(27, 5))) == (42, 401)
