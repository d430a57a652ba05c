"""Values that do not show themselves, and their encryption at rest."""

import itertools

import pytest

from core.secret import CannotOpen, Secret, Vault

KEY = bytes(range(32))


def counting() -> Vault:
    numbers = itertools.count()
    return Vault(KEY, lambda size: next(numbers).to_bytes(size, "big"))


def test_a_secret_shows_itself_to_nobody_but_the_one_who_asks() -> None:
    secret = Secret(b"s3cret")
    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"
    assert secret.octets == b"s3cret"
    assert secret == Secret(b"s3cret")


def test_what_was_sealed_for_an_owner_opens_for_that_owner_alone() -> None:
    vault = counting()
    sealed = vault.seal(b"s3cret", b"credential:17")
    assert vault.open(sealed, b"credential:17") == b"s3cret"
    assert b"s3cret" not in sealed
    with pytest.raises(CannotOpen):
        vault.open(sealed, b"credential:18")


def test_another_key_opens_nothing() -> None:
    sealed = counting().seal(b"s3cret", b"c")
    with pytest.raises(CannotOpen):
        Vault(bytes(32), lambda size: bytes(size)).open(sealed, b"c")


def test_every_octet_of_what_is_sealed_counts() -> None:
    vault = counting()
    sealed = vault.seal(b"", b"c")
    assert vault.open(sealed, b"c") == b""
    for at in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[at] ^= 1
        with pytest.raises(CannotOpen):
            vault.open(bytes(damaged), b"c")
    for size in range(len(sealed)):
        with pytest.raises(CannotOpen):
            vault.open(sealed[:size], b"c")


def test_the_same_password_twice_does_not_look_the_same() -> None:
    vault = counting()
    assert vault.seal(b"same", b"c") != vault.seal(b"same", b"c")
