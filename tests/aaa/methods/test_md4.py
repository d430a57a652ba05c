"""MD4 as RFC 1320 §A.5 prints it, and what a password leaves behind."""

import pytest

from aaa.methods.md4 import credential_of, md4, nt_hash
from core.errors import Invalid


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "043f8582f241db351ce627e153e7f0e4",
        ),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_gives_the_digests_of_the_rfc(message: bytes, digest: str) -> None:
    assert md4(message).hex() == digest


@pytest.mark.parametrize("size", [55, 56, 57, 63, 64, 65, 119, 120, 128])
def test_every_length_around_a_block_boundary_has_its_own_digest(size: int) -> None:
    assert md4(bytes(size)) != md4(bytes(size + 1))
    assert len(md4(bytes(size))) == 16


def test_the_nt_hash_is_that_of_rfc_2759() -> None:
    assert nt_hash("clientPass").hex() == "44ebba8d5312b8d611474411f56989ae"


def test_a_credential_keeps_the_octets_the_hash_and_its_hash() -> None:
    credential = credential_of("clientPass")
    assert credential.password == b"clientPass"
    assert credential.nt_hash.hex() == "44ebba8d5312b8d611474411f56989ae"
    assert credential.nt_hash_hash.hex() == "41c00c584bd2d91c4017a2a12fa59f3f"


def test_a_password_outside_ascii_is_utf_8_for_pap_and_utf_16_for_ms_chap() -> None:
    credential = credential_of("pässwörd☂𝄞")
    assert credential.password == "pässwörd☂𝄞".encode()
    assert credential.nt_hash == md4("pässwörd☂𝄞".encode("utf-16-le"))


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("x" * 129, id="longer than a User-Password can be"),
        pytest.param("ü" * 65, id="longer in octets, not in letters"),
        pytest.param("secret\0", id="its last octet would be taken for padding"),
        pytest.param("broken \ud800", id="half a surrogate pair"),
    ],
)
def test_a_password_that_nobody_could_send_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        credential_of(password)
    assert refusal.value.field == "password"


def test_the_longest_password_is_accepted() -> None:
    assert len(credential_of("x" * 128).password) == 128
