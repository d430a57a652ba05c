"""MS-CHAP as a PPP NAS passes it on: what is accepted, and what Accept and Reject then carry."""

import pytest

from aaa.methods.choose import prove
from aaa.methods.md4 import credential_of
from aaa.methods.nt_response import challenge_hash, nt_response
from aaa.methods.outcome import Credential, Failed, Outcome, Proven
from core.radius.hiding import reveal_padded, salt_decrypt
from core.radius.packet import Packet, vendor_attribute
from core.radius.types import (
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP2_SUCCESS,
    MS_CHAP_CHALLENGE,
    MS_CHAP_ERROR,
    MS_CHAP_MPPE_KEYS,
    MS_CHAP_RESPONSE,
    MS_MPPE_ENCRYPTION_POLICY,
    MS_MPPE_ENCRYPTION_TYPES,
    MS_MPPE_RECV_KEY,
    MS_MPPE_SEND_KEY,
)
from tests.aaa.methods.logins import (
    AUTHENTICATOR,
    CREDENTIAL,
    NAME,
    SECRET,
    answer,
    context,
    counting,
    login,
    reason,
)
from tests.vectors.read import by_name

RFC = by_name("mschap")["rfc2759-9.2"]
KEYS = by_name("mschap")["rfc3079-3.5-server-keys"]["expect"]
CHALLENGE = bytes.fromhex(RFC["authenticator_challenge"])
PEER_CHALLENGE = bytes.fromhex(RFC["peer_challenge"])
RFC_CREDENTIAL = credential_of(RFC["password"])
IDENT = b"\x2a"


def microsoft(number: int, value: bytes) -> bytes:
    return vendor_attribute(MICROSOFT, number, value)


def v2_request(
    response: bytes, *, challenge: bytes = CHALLENGE, name: bytes = b"User", flags: bytes = b"\0"
) -> Packet:
    value = IDENT + flags + PEER_CHALLENGE + bytes(8) + response
    return login(
        microsoft(MS_CHAP_CHALLENGE, challenge), microsoft(MS_CHAP2_RESPONSE, value), name=name
    )


def v2(
    response: bytes, *, name: bytes = b"User", credential: Credential | None = RFC_CREDENTIAL
) -> Outcome:
    return prove(v2_request(response, name=name), name, credential, context())


def v1(
    response: bytes,
    *,
    challenge: bytes = CHALLENGE[:8],
    flags: bytes = b"\1",
    credential: Credential | None = CREDENTIAL,
) -> Outcome:
    value = IDENT + flags + bytes(24) + response
    request = login(microsoft(MS_CHAP_CHALLENGE, challenge), microsoft(MS_CHAP_RESPONSE, value))
    return prove(request, NAME, credential, context())


GOOD_V2 = bytes.fromhex(RFC["expect"]["nt_response"])
GOOD_V1 = nt_response(CHALLENGE[:8], CREDENTIAL.nt_hash)


def test_the_login_of_rfc_2759_is_accepted_and_we_prove_ourselves_in_turn() -> None:
    outcome = v2(GOOD_V2)
    assert isinstance(outcome, Proven)
    assert outcome.method == "mschapv2"
    success = answer(outcome).vendor(MICROSOFT, MS_CHAP2_SUCCESS)
    assert success == IDENT + RFC["expect"]["authenticator_response"].encode()


def test_the_accept_carries_the_keys_of_rfc_3079_from_the_viewpoint_of_the_nas() -> None:
    accept = answer(v2(GOOD_V2))
    send = accept.vendor(MICROSOFT, MS_MPPE_SEND_KEY)
    receive = accept.vendor(MICROSOFT, MS_MPPE_RECV_KEY)
    assert send is not None
    assert receive is not None
    assert salt_decrypt(send, SECRET, AUTHENTICATOR).hex() == KEYS["send_start_key_128"]
    assert salt_decrypt(receive, SECRET, AUTHENTICATOR).hex() == KEYS["recv_start_key_128"]
    assert accept.vendor(MICROSOFT, MS_MPPE_ENCRYPTION_POLICY) == b"\0\0\0\1"
    assert accept.vendor(MICROSOFT, MS_MPPE_ENCRYPTION_TYPES) == b"\0\0\0\6"


@pytest.mark.parametrize("chance", [b"\0\0", b"\x7f\xff", b"\x80\x01", b"\xff\xff"])
def test_salts_differ_and_have_their_highest_bit_set(chance: bytes) -> None:
    outcome = prove(
        v2_request(GOOD_V2), b"User", RFC_CREDENTIAL, context(random=lambda size: chance[:size])
    )
    accept = answer(outcome)
    send = accept.vendor(MICROSOFT, MS_MPPE_SEND_KEY) or b""
    receive = accept.vendor(MICROSOFT, MS_MPPE_RECV_KEY) or b""
    assert send[:2] != receive[:2]
    assert send[0] & receive[0] & 0x80


def test_a_domain_before_the_name_is_ignored_as_windows_sends_it() -> None:
    assert isinstance(v2(GOOD_V2, name=b"OFFICE\\User"), Proven)


def test_the_response_is_bound_to_the_name() -> None:
    assert reason(v2(GOOD_V2, name=b"user")) == "password"


def test_a_reject_says_error_691_with_a_fresh_challenge_and_no_retry() -> None:
    outcome = v2(GOOD_V2[:-1] + b"\0")
    error = answer(outcome).vendor(MICROSOFT, MS_CHAP_ERROR)
    assert reason(outcome) == "password"
    assert error is not None
    assert error[:1] == IDENT
    fresh = counting()(16).hex().upper()
    assert error[1:] == f"E=691 R=0 C={fresh} V=3 M=Login refused".encode()


def test_an_unknown_name_and_a_wrong_password_give_the_same_octets() -> None:
    for wrong, unknown in (
        (v2(bytes(24)), v2(GOOD_V2, credential=None)),
        (v1(bytes(24)), v1(GOOD_V1, credential=None)),
    ):
        assert wrong == unknown
        assert wrong.attributes


def test_version_1_is_accepted_by_its_nt_response() -> None:
    outcome = v1(GOOD_V1)
    assert isinstance(outcome, Proven)
    assert outcome.method == "mschap"


def test_version_1_brings_a_key_for_128_bits_and_none_for_40() -> None:
    accept = answer(v1(GOOD_V1))
    hidden = accept.vendor(MICROSOFT, MS_CHAP_MPPE_KEYS)
    assert hidden is not None
    keys = reveal_padded(hidden, SECRET, AUTHENTICATOR)
    assert keys == bytes(8) + CREDENTIAL.nt_hash_hash + bytes(8)
    assert accept.vendor(MICROSOFT, MS_MPPE_ENCRYPTION_TYPES) == b"\0\0\0\4"


def test_version_1_refuses_with_an_error_of_its_own_version() -> None:
    outcome = v1(bytes(24))
    error = answer(outcome).vendor(MICROSOFT, MS_CHAP_ERROR)
    assert reason(outcome) == "password"
    assert error == IDENT + f"E=691 R=0 C={counting()(8).hex().upper()} V=2".encode()


@pytest.mark.parametrize("flags", [b"\0", b"\2", b"\xff"])
def test_an_lm_response_is_unsupported_even_if_an_nt_response_stands_beside_it(
    flags: bytes,
) -> None:
    assert v1(GOOD_V1, flags=flags) == Failed("mschap", "unsupported")


@pytest.mark.parametrize("challenge", [b"", bytes(7), bytes(16)])
def test_a_challenge_that_is_not_of_version_1_is_malformed(challenge: bytes) -> None:
    assert reason(v1(GOOD_V1, challenge=challenge)) == "malformed"


@pytest.mark.parametrize("challenge", [b"", bytes(8), bytes(17)])
def test_a_challenge_that_is_not_of_version_2_is_malformed(challenge: bytes) -> None:
    request = v2_request(GOOD_V2, challenge=challenge)
    assert reason(prove(request, b"User", RFC_CREDENTIAL, context())) == "malformed"


@pytest.mark.parametrize("number", [MS_CHAP_RESPONSE, MS_CHAP2_RESPONSE])
@pytest.mark.parametrize("size", [0, 1, 49, 51])
def test_a_response_of_another_length_is_malformed(number: int, size: int) -> None:
    request = login(microsoft(MS_CHAP_CHALLENGE, CHALLENGE), microsoft(number, bytes(size)))
    assert reason(prove(request, NAME, CREDENTIAL, context())) == "malformed"


def test_a_response_without_a_challenge_is_malformed() -> None:
    request = login(microsoft(MS_CHAP2_RESPONSE, bytes(50)))
    assert reason(prove(request, NAME, CREDENTIAL, context())) == "malformed"


def test_challenge_and_response_may_share_one_vendor_specific_attribute() -> None:
    hashed = challenge_hash(PEER_CHALLENGE, CHALLENGE, NAME)
    value = IDENT + b"\0" + PEER_CHALLENGE + bytes(8) + nt_response(hashed, CREDENTIAL.nt_hash)
    both = microsoft(MS_CHAP_CHALLENGE, CHALLENGE)
    both += bytes((MS_CHAP2_RESPONSE, len(value) + 2)) + value
    both = both[:1] + bytes((len(both),)) + both[2:]
    assert isinstance(prove(login(both), NAME, CREDENTIAL, context()), Proven)
