"""What a simulated box takes for an answer is checked a second time, by the RFCs alone."""

from hashlib import md5
from types import SimpleNamespace
from typing import cast

import pytest

from app.simulator.asker import Answered, Kind, Question
from app.simulator.events import START, Happened, Record, What
from app.simulator.simulated import SimulatedNas
from core.radius.packet import parse
from tests.asking import accounting_request, packet, tlv
from tests.chaos.crowd import Watched
from tests.serving import SECRET

BOX = cast("SimulatedNas", SimpleNamespace(name="box-1"))
REQUEST = accounting_request(tlv(40, START), secret=SECRET.encode())


def reply(code: int, secret: str = SECRET) -> bytes:
    blank = packet(code, REQUEST[1], REQUEST[4:20], b"")
    return blank[:4] + md5(blank + secret.encode()).digest()


def heard(octets: bytes) -> Watched:
    record = Record(START, None)
    question = Question(Kind.RECORD, b"", record, packet=REQUEST)
    watched = Watched()
    answer = Answered(question, parse(octets), 0.1)
    watched.note(BOX, Happened(What.ACKNOWLEDGED, record=record, took_s=0.1, answer=answer))
    return watched


def test_an_authentic_receipt_is_what_was_acknowledged() -> None:
    watched = heard(reply(5))
    assert (watched.acknowledged, watched.wrong) == ([REQUEST], [])


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        pytest.param(reply(5, "another-secret"), "Response Authenticator", id="forged"),
        pytest.param(reply(2), "code 2", id="not a receipt"),
    ],
)
def test_an_answer_that_only_the_simulator_believes_is_told(octets: bytes, why: str) -> None:
    [wrong] = heard(octets).wrong
    assert why in wrong


def test_a_record_that_was_given_up_is_told() -> None:
    watched = Watched()
    watched.note(BOX, Happened(What.UNACKNOWLEDGED, record=Record(START, None)))
    assert len(watched.wrong) == 1
