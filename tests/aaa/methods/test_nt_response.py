"""The arithmetic of MS-CHAPv2 gives the octets that RFC 2759 §9.2 and RFC 3079 §3.5 print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaa.methods.mppe import start_keys
from aaa.methods.nt_response import authenticator_response, challenge_hash, nt_response
from tests.vectors.read import Vector, by_name

VECTORS = by_name("mschap")


@pytest.fixture
def rfc2759() -> Vector:
    return VECTORS["rfc2759-9.2"]


def test_the_challenge_hash(rfc2759: Vector) -> None:
    challenge = challenge_hash(
        bytes.fromhex(rfc2759["peer_challenge"]),
        bytes.fromhex(rfc2759["authenticator_challenge"]),
        rfc2759["user_name"].encode(),
    )
    assert challenge.hex() == rfc2759["expect"]["challenge"]


@pytest.mark.parametrize("name", [b"DOMAIN\\User", b"\\User", b"User"])
def test_a_domain_before_the_name_is_not_hashed(rfc2759: Vector, name: bytes) -> None:
    peer = bytes.fromhex(rfc2759["peer_challenge"])
    ours = bytes.fromhex(rfc2759["authenticator_challenge"])
    assert challenge_hash(peer, ours, name).hex() == rfc2759["expect"]["challenge"]


def test_a_realm_after_the_name_is_hashed() -> None:
    assert challenge_hash(bytes(16), bytes(16), b"u@isp") != challenge_hash(
        bytes(16), bytes(16), b"u"
    )


def test_the_nt_response(rfc2759: Vector) -> None:
    expect = rfc2759["expect"]
    response = nt_response(
        bytes.fromhex(expect["challenge"]), bytes.fromhex(expect["password_hash"])
    )
    assert response.hex() == expect["nt_response"]


def test_the_authenticator_response(rfc2759: Vector) -> None:
    expect = rfc2759["expect"]
    success = authenticator_response(
        bytes.fromhex(expect["password_hash_hash"]),
        bytes.fromhex(expect["nt_response"]),
        bytes.fromhex(expect["challenge"]),
    )
    assert success.decode() == expect["authenticator_response"]


def test_the_start_keys_are_those_of_rfc_3079() -> None:
    vector = VECTORS["rfc3079-3.5-server-keys"]
    send, receive = start_keys(
        bytes.fromhex(vector["password_hash_hash"]), bytes.fromhex(vector["nt_response"])
    )
    assert send.hex() == vector["expect"]["send_start_key_128"]
    assert receive.hex() == vector["expect"]["recv_start_key_128"]


@given(nt_hash=st.binary(min_size=16, max_size=16), bit=st.integers(0, 127))
def test_every_bit_of_the_hash_is_part_of_exactly_one_key(nt_hash: bytes, bit: int) -> None:
    """DES ignores one bit in eight, so a bit spread to the wrong place would go unseen."""
    other = bytearray(nt_hash)
    other[bit // 8] ^= 0x80 >> bit % 8
    before, after = nt_response(bytes(8), nt_hash), nt_response(bytes(8), bytes(other))
    changed = [n for n in range(3) if before[n * 8 : n * 8 + 8] != after[n * 8 : n * 8 + 8]]
    assert changed == [bit // 56]
