"""EAP, played against a peer that follows the RFCs, and against some that do not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaa.methods import eap
from aaa.methods.choose import prove
from aaa.methods.context import ProofContext
from aaa.methods.eap_state import AGE_MAX_S
from aaa.methods.md4 import credential_of
from aaa.methods.mppe import start_keys
from aaa.methods.outcome import Challenged, Failed, Outcome, Proven
from core.radius.hiding import salt_decrypt
from core.radius.packet import attribute
from core.radius.types import EAP_MESSAGE, MICROSOFT, MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY, STATE
from tests.aaa.methods.eap_peer import MD5, MSCHAPV2, Peer, eap_attributes, eap_response
from tests.aaa.methods.logins import (
    AUTHENTICATOR,
    CREDENTIAL,
    NAME,
    NOW_S,
    SECRET,
    answer,
    context,
    login,
    reason,
)

IDENTITY = eap_response(1, 1, NAME)


def ask(message: bytes, *more: bytes, name: bytes | None = NAME) -> Outcome:
    request = login(eap_attributes(message), *more, name=name)
    return prove(request, name or b"", CREDENTIAL, context())


def says_failure(outcome: Outcome, identifier: int) -> bool:
    return b"".join(answer(outcome).all(EAP_MESSAGE)) == bytes((4, identifier, 0, 4))


def asks_identity(outcome: Outcome) -> bool:
    return isinstance(outcome, Challenged) and answer(outcome).get(EAP_MESSAGE) in [
        bytes((1, identifier, 0, 5, 1)) for identifier in (1, 2)
    ]


# --- whole conversations -----------------------------------------------------------------


def test_mschapv2_is_offered_first_and_accepted_after_each_side_has_proved_itself() -> None:
    peer = Peer()
    outcome = peer.run()
    assert isinstance(outcome, Proven)
    assert outcome.method == "eap-mschapv2"
    assert peer.server_is_proven
    assert [type(turn) for turn in peer.turns] == [Challenged, Challenged, Proven]
    assert peer.message()[0] == eap.SUCCESS


def test_after_mschapv2_the_accept_carries_the_keys_of_the_link() -> None:
    peer = Peer()
    accept = answer(peer.run())
    hidden = accept.vendor(MICROSOFT, MS_MPPE_SEND_KEY), accept.vendor(MICROSOFT, MS_MPPE_RECV_KEY)
    keys = tuple(salt_decrypt(key or b"", SECRET, AUTHENTICATOR) for key in hidden)
    assert keys == start_keys(CREDENTIAL.nt_hash_hash, peer.nt_response)


def test_a_peer_that_naks_gets_md5_and_is_accepted_without_keys() -> None:
    peer = Peer(accepts=(MD5,))
    outcome = peer.run()
    assert isinstance(outcome, Proven)
    assert outcome.method == "eap-md5"
    assert outcome.attributes == eap.success(3)


def test_the_first_wish_that_we_know_counts() -> None:
    peer = Peer(accepts=(25, 13, MD5, 6))
    assert isinstance(peer.run(), Proven)


def test_a_peer_that_wants_only_tunnels_is_refused() -> None:
    peer = Peer(accepts=(25, 21, 13))
    outcome = peer.run()
    assert reason(outcome) == "unsupported"
    assert says_failure(outcome, 2)


def test_a_peer_without_alternative_is_refused() -> None:
    assert reason(Peer(accepts=()).run()) == "unsupported"


def test_a_wrong_password_is_told_within_mschapv2_and_then_rejected() -> None:
    peer = Peer(password="wrong")
    outcome = peer.run()
    assert reason(outcome) == "password"
    (error,) = peer.errors
    assert error.startswith(b"E=691 R=0 C=")
    assert error.endswith(b" V=3 M=Login refused")
    told = peer.turns[1]
    assert isinstance(told, Challenged)
    assert told.reason == "password", "a guesser need not wait for the reject"
    assert says_failure(outcome, 3)


def test_a_peer_that_takes_our_failure_for_a_success_is_rejected_all_the_same() -> None:
    peer = Peer(password="wrong")
    peer.send(IDENTITY)
    peer.send(peer.reply_to(peer.message()))
    assert reason(peer.send(eap_response(3, MSCHAPV2, b"\3"))) == "password"


def test_a_wrong_password_in_md5_is_rejected() -> None:
    outcome = Peer(password="wrong", accepts=(MD5,)).run()
    assert reason(outcome) == "password"
    assert says_failure(outcome, 3)


@pytest.mark.parametrize("method", [MD5, MSCHAPV2])
def test_an_unknown_name_and_a_wrong_password_give_the_same_octets_at_every_turn(
    method: int,
) -> None:
    wrong = Peer(password="wrong", accepts=(method,))
    unknown = Peer(credential=None, accepts=(method,))
    wrong.run()
    unknown.run()
    for one, other in zip(wrong.turns, unknown.turns, strict=True):
        assert type(one) is type(other)
        assert answer(one).all(EAP_MESSAGE) == answer(other).all(EAP_MESSAGE)
        # State is sealed for another credential: equally long, and as random as the other.
        assert len(one.attributes) == len(other.attributes)


@pytest.mark.parametrize("octets", [1, 7, 100])
def test_a_message_in_fragments_is_joined(octets: int) -> None:
    assert isinstance(Peer(fragment_octets=octets).run(), Proven)


def test_a_long_name_makes_long_messages_which_are_split_and_joined() -> None:
    name = b"n" * 240
    assert isinstance(Peer(name=name).run(), Proven)


def test_a_domain_before_the_name_is_part_of_the_identity_and_not_of_the_hash() -> None:
    assert isinstance(Peer(name=b"OFFICE\\pppoe-1042").run(), Proven)


# --- beginnings --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, b"", NAME])
def test_eap_start_is_answered_with_a_request_for_the_identity(name: bytes | None) -> None:
    assert asks_identity(ask(b"", name=name))


def test_an_empty_identity_of_nobody_is_asked_again() -> None:
    assert asks_identity(ask(eap_response(1, 1), name=None))


def test_an_identity_that_is_not_the_user_name_is_refused() -> None:
    outcome = ask(eap_response(9, 1, b"somebody else"))
    assert reason(outcome) == "malformed"
    assert says_failure(outcome, 9)


def test_an_identity_begins_anew_whatever_state_comes_with_it() -> None:
    assert isinstance(ask(IDENTITY, attribute(STATE, b"of another time")), Challenged)


def test_a_nas_may_offer_a_method_itself_and_bring_us_the_nak() -> None:
    peer = Peer(accepts=(MD5,))
    peer.send(eap_response(1, 3, bytes((MD5,))))
    outcome = peer.send(peer.reply_to(peer.message()))
    assert isinstance(outcome, Proven)
    assert outcome.method == "eap-md5"


def test_the_identifier_wraps_round() -> None:
    peer = Peer()
    peer.send(eap_response(255, 1, NAME))
    assert peer.message()[1] == 0
    assert isinstance(peer.send(peer.reply_to(peer.message())), Challenged)


# --- State -------------------------------------------------------------------------------


def at_the_response(peer: Peer) -> bytes:
    """Bring `peer` to where it would send its right response; the response."""
    peer.send(IDENTITY)
    return peer.reply_to(peer.message())


@pytest.mark.parametrize(
    ("later_s", "accepted"),
    [(0, True), (AGE_MAX_S - 1, True), (AGE_MAX_S + 1, False), (-3, True), (-30, False)],
)
def test_a_state_is_good_for_a_minute(later_s: float, accepted: bool) -> None:
    peer = Peer()
    response = at_the_response(peer)
    peer.at_server = context(now_s=NOW_S + later_s)
    outcome = peer.send(response)
    assert isinstance(outcome, Challenged) is accepted
    if not accepted:
        assert reason(outcome) == "expired"
        assert says_failure(outcome, 2)


def test_any_worker_with_the_key_can_go_on() -> None:
    peer = Peer()
    response = at_the_response(peer)
    peer.at_server = context()
    assert isinstance(peer.send(response), Challenged)


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(context(secret=b"the secret of another NAS"), id="another NAS's secret"),
        pytest.param(context(nas=b"17"), id="another NAS with the same secret"),
        pytest.param(context(key=bytes(32)), id="a server with another key"),
    ],
)
def test_a_state_does_not_open_elsewhere(elsewhere: ProofContext) -> None:
    peer = Peer()
    response = at_the_response(peer)
    peer.at_server = elsewhere
    assert reason(peer.send(response)) == "expired"


def test_a_state_does_not_open_for_another_name() -> None:
    peer = Peer()
    response = at_the_response(peer)
    peer.name = b"pppoe-1043"
    assert reason(peer.send(response, state=answer(peer.turns[0]).get(STATE))) == "expired"


def test_a_state_does_not_outlive_the_password() -> None:
    peer = Peer()
    peer.send(at_the_response(peer))
    acknowledgement = peer.reply_to(peer.message())
    peer.credential = credential_of("changed in between")
    assert reason(peer.send(acknowledgement)) == "expired"


@pytest.mark.parametrize("state", [b"", b"\1", b"\1" + bytes(60), b"32769430"])
def test_a_state_that_is_none_of_ours_is_refused(state: bytes) -> None:
    peer = Peer()
    outcome = peer.send(at_the_response(peer), state=state)
    assert reason(outcome) == "expired"
    assert says_failure(outcome, 2)


def test_a_response_without_a_state_is_refused() -> None:
    response = at_the_response(Peer())
    assert reason(ask(response)) == "expired"


def test_a_response_to_another_request_is_refused() -> None:
    peer = Peer()
    response = at_the_response(peer)
    assert reason(peer.send(response[:1] + b"\x77" + response[2:])) == "expired"


def test_a_challenge_cannot_be_acknowledged_as_if_it_were_a_success() -> None:
    peer = Peer()
    at_the_response(peer)
    assert reason(peer.send(eap_response(2, MSCHAPV2, b"\3"))) == "malformed"


def test_the_state_holds_its_data_hidden() -> None:
    peer = Peer()
    at_the_response(peer)
    challenge = peer.message()[10:26]
    assert challenge not in (answer(peer.turns[0]).get(STATE) or b"")


# --- what a peer must not send -----------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\2", id="one octet"),
        pytest.param(b"\2\7\0", id="no length"),
        pytest.param(b"\2\7\0\4", id="a response without a type"),
        pytest.param(b"\2\7\0\4\1", id="a length of the header alone"),
        pytest.param(b"\2\7\0\0\1x", id="a length of nothing"),
        pytest.param(b"\2\7\0\x20\1x", id="a length beyond the end"),
        pytest.param(b"\1\7\0\5\1", id="a request"),
        pytest.param(b"\3\7\0\4", id="a success"),
        pytest.param(b"\4\7\0\4", id="a failure"),
        pytest.param(b"\x05\7\0\5\1", id="no code at all"),
    ],
)
def test_a_malformed_message_is_refused_with_a_failure(message: bytes) -> None:
    outcome = ask(message)
    assert outcome == Failed("eap", "malformed", outcome.attributes)
    assert says_failure(outcome, message[1] if len(message) > 1 else 0)


def test_padding_after_the_message_is_ignored() -> None:
    assert isinstance(ask(IDENTITY + b"padding"), Challenged)


def test_a_second_nak_is_refused() -> None:
    peer = Peer(accepts=(MD5,))
    peer.send(at_the_response(peer))
    outcome = peer.send(eap_response(3, 3, bytes((MSCHAPV2,))))
    assert reason(outcome) == "unsupported"
    assert says_failure(outcome, 3)


def test_a_nak_that_asks_for_what_it_refuses_is_refused() -> None:
    peer = Peer()
    at_the_response(peer)
    assert reason(peer.send(eap_response(2, 3, bytes((MSCHAPV2,))))) == "unsupported"


@pytest.mark.parametrize("eap_type", [2, 5, 6, 13, 21, 25, 43, 254, 255])
def test_a_response_of_a_type_that_was_not_asked_for_is_refused(eap_type: int) -> None:
    peer = Peer()
    at_the_response(peer)
    outcome = peer.send(eap_response(2, eap_type, b"whatever"))
    assert reason(outcome) == "unsupported"
    assert says_failure(outcome, 2)


def test_a_peer_that_does_not_believe_our_success_is_rejected() -> None:
    peer = Peer()
    peer.send(at_the_response(peer))
    outcome = peer.send(eap_response(3, MSCHAPV2, b"\4"))
    assert reason(outcome) == "malformed"
    assert says_failure(outcome, 3)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:53], id="cut short"),
        pytest.param(lambda data: data[:4] + b"\x30" + data[5:], id="another value size"),
        pytest.param(lambda data: data + b"x", id="another name"),
        pytest.param(lambda data: data[:54], id="no name"),
        pytest.param(lambda data: b"\x07" + data[1:], id="another operation"),
        pytest.param(lambda data: b"", id="nothing"),
    ],
)
def test_a_damaged_mschapv2_response_is_refused(damage: Callable[[bytes], bytes]) -> None:
    peer = Peer()
    response = at_the_response(peer)
    outcome = peer.send(eap_response(2, MSCHAPV2, damage(response[5:])))
    assert reason(outcome) == "malformed"
    assert says_failure(outcome, 2)


@pytest.mark.parametrize("value", [b"", b"\x10", b"\x10" + bytes(15), b"\x0f" + bytes(16)])
def test_a_damaged_md5_response_is_refused(value: bytes) -> None:
    peer = Peer(accepts=(MD5,))
    peer.send(at_the_response(peer))
    assert reason(peer.send(eap_response(3, MD5, value))) == "malformed"


@given(message=st.binary(max_size=400), state=st.binary(max_size=100))
def test_no_message_makes_the_server_stumble(message: bytes, state: bytes) -> None:
    outcome = ask(message, attribute(STATE, state))
    answer(outcome)
    assert not isinstance(outcome, Proven)


@given(eap_type=st.integers(0, 255), data=st.binary(max_size=300), turn=st.integers(0, 2))
def test_no_answer_within_a_conversation_makes_the_server_stumble(
    eap_type: int, data: bytes, turn: int
) -> None:
    peer = Peer()
    peer.send(IDENTITY)
    for _ in range(turn):
        if isinstance(peer.turns[-1], Challenged):
            peer.send(peer.reply_to(peer.message()))
    identifier = peer.message()[1]
    outcome = peer.send(eap_response(identifier, eap_type, data))
    answer(outcome)
    assert isinstance(outcome, Failed | Challenged) or data[:1] == b"\3"
