"""PAP (RFC 2865 §5.2): exact octets, up to 128 of them."""

from dataclasses import replace

import pytest

from aaa.methods.choose import prove
from aaa.methods.md4 import credential_of
from aaa.methods.outcome import Credential, Failed, Outcome, Proven
from core.radius.hiding import hide_user_password
from core.radius.packet import attribute, parse
from core.radius.types import USER_NAME, USER_PASSWORD
from tests.aaa.methods.logins import (
    AUTHENTICATOR,
    CREDENTIAL,
    NAME,
    PASSWORD,
    SECRET,
    context,
    login,
    reason,
)
from tests.vectors.read import by_name


def try_password(password: bytes, credential: Credential | None = CREDENTIAL) -> Outcome:
    hidden = hide_user_password(password, SECRET, AUTHENTICATOR)
    return prove(login(attribute(USER_PASSWORD, hidden)), NAME, credential, context())


@pytest.mark.parametrize("vector", ["rfc2865-7.1-pap", "rfc2865-7.3-challenge"])
def test_the_passwords_of_the_rfc_are_accepted(vector: str) -> None:
    exchange = by_name("rfc2865")[vector]
    request = parse(bytes.fromhex(exchange["request"]))
    password = exchange["expect"]["cleartext"]["user_password"]
    outcome = prove(
        request,
        request.get(USER_NAME) or b"",
        credential_of(password),
        context(secret=exchange["secret"].encode()),
    )
    assert outcome == Proven("pap")


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("x", id="one octet"),
        pytest.param("x" * 15, id="almost a block"),
        pytest.param("x" * 16, id="a block"),
        pytest.param("x" * 17, id="just over a block"),
        pytest.param("x" * 128, id="the longest"),
        pytest.param("pässwörd ☂ 𝄞", id="UTF-8"),
        pytest.param("a\0b", id="NUL inside"),
    ],
)
def test_the_right_password_is_accepted(password: str) -> None:
    assert try_password(password.encode(), credential_of(password)) == Proven("pap")


@pytest.mark.parametrize(
    "password",
    [
        pytest.param(PASSWORD.encode()[:-1], id="too short by one"),
        pytest.param(PASSWORD.encode() + b"x", id="too long by one"),
        pytest.param(PASSWORD.encode() + b"\0x", id="something after a NUL"),
        pytest.param(PASSWORD.upper().encode(), id="other case"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
    ],
)
def test_another_password_is_refused(password: bytes) -> None:
    assert try_password(password) == Failed("pap", "password")


def test_octets_that_are_no_utf_8_match_a_password_of_just_those_octets() -> None:
    credential = replace(CREDENTIAL, password=b"\xff\xfe")
    assert isinstance(try_password(b"\xff\xfe", credential), Proven)


def test_an_unknown_name_fails_like_a_wrong_password() -> None:
    assert try_password(PASSWORD.encode(), None) == try_password(b"wrong")


@pytest.mark.parametrize("size", [0, 1, 15, 17, 130, 144])
def test_a_value_that_cannot_be_a_hidden_password_is_malformed(size: int) -> None:
    request = login(attribute(USER_PASSWORD, bytes(size)))
    assert reason(prove(request, NAME, CREDENTIAL, context())) == "malformed"


def test_with_another_secret_the_right_password_is_a_wrong_one() -> None:
    hidden = hide_user_password(PASSWORD.encode(), b"another secret", AUTHENTICATOR)
    request = login(attribute(USER_PASSWORD, hidden))
    assert reason(prove(request, NAME, CREDENTIAL, context())) == "password"
