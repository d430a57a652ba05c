"""CHAP (RFC 2865 §5.3): the challenge comes in an attribute, or is the authenticator."""

import hashlib

import pytest

from aaa.methods.choose import prove
from aaa.methods.md4 import credential_of
from aaa.methods.outcome import Credential, Failed, Outcome, Proven
from core.radius.packet import attribute, parse
from core.radius.types import CHAP_CHALLENGE, CHAP_PASSWORD, USER_NAME
from tests.aaa.methods.logins import (
    AUTHENTICATOR,
    CREDENTIAL,
    NAME,
    PASSWORD,
    context,
    login,
    reason,
)
from tests.vectors.read import by_name

CHALLENGE = bytes(range(16, 32))


def response(challenge: bytes, password: str = PASSWORD, identifier: bytes = b"\x16") -> bytes:
    digest = hashlib.md5(identifier + password.encode() + challenge).digest()
    return attribute(CHAP_PASSWORD, identifier + digest)


def attempt(*attributes: bytes, credential: Credential | None = CREDENTIAL) -> Outcome:
    return prove(login(*attributes), NAME, credential, context())


def test_the_response_of_the_rfc_is_accepted() -> None:
    exchange = by_name("rfc2865")["rfc2865-7.2-chap"]
    request = parse(bytes.fromhex(exchange["request"]))
    credential = credential_of(exchange["expect"]["cleartext"]["chap_password"])
    assert prove(request, request.get(USER_NAME) or b"", credential, context()) == Proven("chap")


@pytest.mark.parametrize("size", [5, 8, 16, 24, 253])
def test_a_challenge_of_any_length_counts_where_there_is_one(size: int) -> None:
    challenge = bytes(range(size))
    outcome = attempt(response(challenge), attribute(CHAP_CHALLENGE, challenge))
    assert outcome == Proven("chap")


def test_without_a_challenge_the_authenticator_is_the_challenge() -> None:
    assert attempt(response(AUTHENTICATOR)) == Proven("chap")


def test_where_there_is_a_challenge_the_authenticator_is_none() -> None:
    outcome = attempt(response(AUTHENTICATOR), attribute(CHAP_CHALLENGE, CHALLENGE))
    assert outcome == Failed("chap", "password")


def test_a_wrong_password_and_an_unknown_name_fail_alike() -> None:
    challenge = attribute(CHAP_CHALLENGE, CHALLENGE)
    wrong = attempt(response(CHALLENGE, "wrong"), challenge)
    unknown = attempt(response(CHALLENGE), challenge, credential=None)
    assert wrong == unknown == Failed("chap", "password")


def test_the_response_is_bound_to_its_identifier() -> None:
    good = response(CHALLENGE)
    other = attribute(CHAP_PASSWORD, b"\x17" + good[3:])
    assert reason(attempt(other, attribute(CHAP_CHALLENGE, CHALLENGE))) == "password"


@pytest.mark.parametrize("size", [0, 1, 16, 18, 33])
def test_a_response_of_another_length_is_malformed(size: int) -> None:
    assert reason(attempt(attribute(CHAP_PASSWORD, bytes(size)))) == "malformed"


@pytest.mark.parametrize("size", [0, 4])
def test_a_challenge_too_short_to_challenge_anybody_is_malformed(size: int) -> None:
    challenge = bytes(size)
    outcome = attempt(response(challenge), attribute(CHAP_CHALLENGE, challenge))
    assert reason(outcome) == "malformed"
