"""What passes in a session, and logins that must not become one."""

from dataclasses import replace

from app.simulator import mikrotik
from app.simulator.events import What
from app.simulator.personality import Box
from app.simulator.scenario import Crowd, Place, subscribers
from app.simulator.session import WALLED_BPS
from tests.app.simulator.driving import ALICE, driven, number, told
from tests.asking import tlv, vsa

MIKROTIK = 14988


def rate(line: str) -> bytes:
    return vsa(MIKROTIK, 8, line.encode())


def test_a_change_in_the_midst_counts_what_was_before_at_the_old_rate() -> None:
    box = driven(mikrotik.PPPOE)
    session = box.online(rate("8M/8M") + tlv(85, 100))
    assert box.wait(50) == []
    box.coa(tlv(44, session.acct_session_id), rate("800k/800k"))
    [interim] = box.wait(50)
    assert number(told(interim)[43]) == 50_000_000 + 5_000_000


def test_octets_that_are_not_whole_yet_pass_later_and_none_is_lost() -> None:
    box = driven(mikrotik.PPPOE)
    session = box.online(rate("1k/1k"))
    for _ in range(1000):
        box.now += 0.01
        session.count(box.now)
    assert abs(session.output_octets - 1_250) <= 1


def test_a_walled_garden_carries_little_whatever_the_rate() -> None:
    box = driven(mikrotik.PPPOE)
    session = box.online(rate("8M/8M") + vsa(MIKROTIK, 19, b"walled-garden"))
    box.wait(80)
    session.count(box.now)
    assert session.output_octets == WALLED_BPS * 10


def test_an_accept_that_does_not_prove_itself_to_mschapv2_is_no_session() -> None:
    box = driven(mikrotik.PPPOE)
    box.nas.dial(replace(ALICE, method="mschapv2"), box.now)
    [request] = box.listen()
    assert request.vendor(311, 25) is not None
    assert box.answer(request, 2) == []
    assert box.events[-1].what is What.UNUSABLE
    assert box.nas.sessions == {}


def test_some_type_a_wrong_password_if_the_scenario_says_so() -> None:
    place = Place(box=driven(mikrotik.PPPOE).nas.box, make=mikrotik.PPPOE)
    wrong = replace(place, crowd=Crowd(count=400, wrong_passwords=0.25))
    typed = [one.password != "password" for _, one in subscribers(wrong, 1)]
    assert 60 < sum(typed) < 140


def test_a_box_may_keep_its_own_interval_whatever_it_is_told() -> None:
    box = driven(mikrotik.HOTSPOT, Box("bng-1", "192.0.2.1", interim_s=120, own_interim=True))
    box.online(tlv(85, 60))
    assert box.wait(119) == []
    [interim] = box.wait(1)
    assert number(told(interim)[40]) == 3
