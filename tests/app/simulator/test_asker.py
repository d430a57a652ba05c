"""Questions that are sent again, given up, answered by the wrong one, or wait their turn."""

from dataclasses import replace

import pytest

from app.simulator.asker import Asker, Kind, Question
from tests.app.simulator.driving import KEY, answer_to, number
from tests.asking import pairs, tlv


def record(**more: object) -> Question:
    return replace(Question(Kind.RECORD, tlv(40, 3), "it"), **more)  # type: ignore[arg-type]


def login(**more: object) -> Question:
    plain = Question(Kind.LOGIN, tlv(1, "alice"), "it", authenticator=bytes(range(16)))
    return replace(plain, **more)  # type: ignore[arg-type]


@pytest.fixture
def asker() -> Asker:
    return Asker(KEY, resend_after_s=1.0, sends_max=3)


def test_an_unanswered_question_is_sent_again_byte_for_byte_and_then_given_up(
    asker: Asker,
) -> None:
    [first] = asker.ask(record(), 0.0)
    assert asker.tick(0.9) == ([], [])
    assert asker.tick(1.0) == ([first], [])
    assert asker.tick(2.0) == ([first], [])
    sent, [given_up] = asker.tick(3.0)
    assert (sent, given_up.about, asker.pending) == ([], "it", 0)


def test_a_longer_delay_makes_another_packet_with_another_identifier(asker: Asker) -> None:
    [first] = asker.ask(record(delay_times=True), 0.0)
    [second], _ = asker.tick(2.0)
    delays = [number(dict(pairs(one[20:]))[41]) for one in (first, second)]
    assert delays == [0, 2]
    assert first[1] != second[1]
    answered, _ = asker.receive(answer_to(first, 5, signed=False), 2.1)
    assert answered is None, "nobody waits for that one any more"
    answered, _ = asker.receive(answer_to(second, 5, signed=False), 2.5)
    assert answered is not None
    assert answered.took_s == 2.5, "from the first one on"


def test_an_answer_comes_once_however_often_it_arrives(asker: Asker) -> None:
    [request] = asker.ask(record(), 0.0)
    reply = answer_to(request, 5, signed=False)
    assert asker.receive(reply, 0.1)[0] is not None
    assert asker.receive(reply, 0.2)[0] is None
    assert asker.unbelieved == 1


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda reply: reply[:4] + bytes(16) + reply[20:], id="authenticator"),
        pytest.param(lambda reply: reply[:2], id="too short"),
        pytest.param(lambda reply: reply[:1] + b"\x77" + reply[2:], id="another identifier"),
    ],
)
def test_a_forged_answer_is_none(asker: Asker, spoil: object) -> None:
    assert callable(spoil)
    [request] = asker.ask(login(), 0.0)
    assert asker.receive(spoil(answer_to(request, 2)), 0.1) == (None, [])
    assert asker.pending == 1


def test_routeros_believes_no_reply_without_a_message_authenticator(asker: Asker) -> None:
    [request] = asker.ask(login(signed=True, demands_signature=True), 0.0)
    assert asker.receive(answer_to(request, 2, signed=False), 0.1)[0] is None
    assert asker.receive(answer_to(request, 2), 0.2)[0] is not None


def test_at_most_256_questions_are_on_their_way_and_the_others_wait(asker: Asker) -> None:
    sent = [one for _ in range(300) for one in asker.ask(record(), 0.0)]
    assert len(sent) == len({one[1] for one in sent}) == 256
    assert asker.pending == 300
    answered, next_ones = asker.receive(answer_to(sent[7], 5, signed=False), 0.1)
    assert answered is not None
    assert [one[1] for one in next_ones] == [sent[7][1]], "in the place that became free"
