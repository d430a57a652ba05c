"""Octets from the network in text, and back, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.octets import from_text, to_text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        pytest.param(b"alice", "alice", id="plain"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"alice\0x", r"alice\x00x", id="a NUL inside"),
        pytest.param(b"a\\b", r"a\\b", id="backslash"),
        pytest.param(rb"\x00", r"\\x00", id="what looks like an escape"),
        pytest.param("Zoë 東京".encode(), "Zoë 東京", id="UTF-8"),
        pytest.param(b"caf\xe9", r"caf\xe9", id="Latin-1 is no UTF-8"),
        pytest.param(b"\xed\xa0\x80", r"\xed\xa0\x80", id="half a surrogate pair"),
        pytest.param(b"\xc0\xaf", r"\xc0\xaf", id="overlong"),
        pytest.param(b"a\x1b[31m\n", r"a\x1b[31m\x0a", id="what a terminal would obey"),
        pytest.param("a\u202eb".encode(), r"a\xe2\x80\xaeb", id="what would turn the text round"),
    ],
)
def test_octets_are_shown_and_read_back(octets: bytes, text: str) -> None:
    assert to_text(octets) == text
    assert from_text(text) == octets


@given(st.binary(max_size=64))
def test_nothing_is_lost_and_nothing_unprintable_is_shown(octets: bytes) -> None:
    text = to_text(octets)
    assert from_text(text) == octets
    assert text.isprintable()


@given(st.binary(max_size=16), st.binary(max_size=16))
def test_two_names_are_never_taken_for_one(one: bytes, other: bytes) -> None:
    assert (to_text(one) == to_text(other)) == (one == other)
