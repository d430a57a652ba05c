"""RFC 2865 §5.2 and RFC 2868 §3.5: what is hidden comes back, and nothing else gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.radius.codec_error import CodecError
from core.radius.hiding import (
    hide_user_password,
    reveal_padded,
    reveal_user_password,
    salt_decrypt,
    salt_encrypt,
)
from tests.vectors.read import Vector, by_name, exchanges

SECRET = b"xyzzy5461"
AUTHENTICATOR = bytes.fromhex("0f403f9473978057bd83d5cb98f4227a")
SALT = b"\x80\x01"

octets_16 = st.binary(min_size=16, max_size=16)
secrets = st.binary(min_size=1, max_size=64)


@pytest.mark.parametrize(
    "exchange",
    [e for e in exchanges() if "user-password" in e["expect"]["checks"]],
    ids=lambda e: e["name"],
)
def test_user_passwords_of_the_rfc_are_revealed_and_hidden_again(exchange: Vector) -> None:
    secret = exchange["secret"].encode()
    request = bytes.fromhex(exchange["request"])
    hidden = next(
        bytes.fromhex(value)
        for number, _, value in exchange["expect"]["request"]["attributes"]
        if number == 2
    )
    password = exchange["expect"]["cleartext"]["user_password"].encode()
    assert reveal_user_password(hidden, secret, request[4:20]) == password
    assert hide_user_password(password, secret, request[4:20]) == hidden


@given(st.binary(max_size=128).filter(lambda p: not p.endswith(b"\0")), secrets, octets_16)
def test_a_hidden_password_comes_back(password: bytes, secret: bytes, authenticator: bytes) -> None:
    hidden = hide_user_password(password, secret, authenticator)
    assert len(hidden) == max(16, -(-len(password) // 16) * 16)
    assert reveal_user_password(hidden, secret, authenticator) == password


def test_only_nuls_at_the_end_are_padding() -> None:
    hidden = hide_user_password(b"\0a\0b\0\0", SECRET, AUTHENTICATOR)
    assert reveal_user_password(hidden, SECRET, AUTHENTICATOR) == b"\0a\0b"
    assert reveal_padded(hidden, SECRET, AUTHENTICATOR) == b"\0a\0b".ljust(16, b"\0")


def test_a_password_of_129_octets_cannot_be_hidden() -> None:
    with pytest.raises(CodecError, match="128"):
        hide_user_password(bytes(129), SECRET, AUTHENTICATOR)


@pytest.mark.parametrize("size", [0, 1, 15, 17, 31, 127, 129, 144, 253])
def test_what_is_not_in_whole_blocks_is_no_hidden_password(size: int) -> None:
    for reveal in (reveal_user_password, reveal_padded):
        with pytest.raises(CodecError, match=str(size)):
            reveal(bytes(size), SECRET, AUTHENTICATOR)


def test_salt_encryption_chains_over_blocks() -> None:
    vector = by_name("attributes")["salt-encryption-two-blocks"]
    value = bytes.fromhex(vector["value"])
    authenticator = bytes.fromhex(vector["request_authenticator"])
    secret = vector["secret"].encode()
    plain = vector["expect"]["cleartext"].encode()
    salt = bytes.fromhex(vector["expect"]["salt"])
    assert salt_encrypt(plain, secret, authenticator, salt) == value
    assert salt_decrypt(value, secret, authenticator) == plain


@given(st.binary(max_size=239), secrets, octets_16, st.integers(0x8000, 0xFFFF))
def test_what_is_encrypted_with_a_salt_comes_back(
    plain: bytes, secret: bytes, authenticator: bytes, salt: int
) -> None:
    hidden = salt_encrypt(plain, secret, authenticator, salt.to_bytes(2, "big"))
    assert len(hidden) % 16 == 2
    assert salt_decrypt(hidden, secret, authenticator) == plain


@pytest.mark.parametrize("size", [0, 1, 2, 3, 17, 19, 33])
def test_a_salted_value_has_a_salt_and_whole_blocks(size: int) -> None:
    with pytest.raises(CodecError, match="salted"):
        salt_decrypt(bytes(size), SECRET, AUTHENTICATOR)


def test_a_hidden_length_beyond_the_value_is_refused() -> None:
    # With another secret the length octet is chance; here it comes out as more than 15.
    hidden = salt_encrypt(b"foo", SECRET, AUTHENTICATOR, SALT)
    with pytest.raises(CodecError, match="secret"):
        salt_decrypt(hidden, b"xyzzy5462", AUTHENTICATOR)


def test_a_salt_has_its_highest_bit_set() -> None:
    for salt in (b"\x00\x01", b"\x80", b"\x80\x01\x02"):
        with pytest.raises(CodecError, match="salt"):
            salt_encrypt(b"foo", SECRET, AUTHENTICATOR, salt)


def test_a_salted_value_has_at_most_239_octets() -> None:
    assert len(salt_encrypt(bytes(239), SECRET, AUTHENTICATOR, SALT)) == 242
    with pytest.raises(CodecError, match="239"):
        salt_encrypt(bytes(240), SECRET, AUTHENTICATOR, SALT)
