"""Names are exact octets, from the NAS to the database and back to whoever asks why."""

import json
from collections.abc import Iterator

import pytest

from core.octets import to_text
from tests.asking import Answer, Nas, pap_request
from tests.serving import PASSWORD, SECRET, Turnpike, eventually

pytestmark = pytest.mark.scenario

KEY = SECRET.encode()
LATIN = b"caf\xe9"  # no UTF-8


@pytest.fixture(scope="module")
def nas(isp: Turnpike) -> Iterator[Nas]:
    isp.apply(
        {
            "tenant": "test-isp",
            "subscriber": [
                {"username": name, "password": PASSWORD, "plan": "home"}
                for name in (to_text(LATIN), "Zoë 東京", "o'neil; --", r"dom\\user")
            ],
        }
    )
    with Nas(isp.auth) as one:
        yield one


def login(nas: Nas, name: bytes) -> Answer:
    return nas.answer(pap_request(name, PASSWORD, secret=KEY), KEY)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"alice", 2),
        (b"alice\0x", 3),
        (b"alice\0", 3),
        (b"Alice", 3),
        (b"alice ", 3),
        (LATIN, 2),
        ("café".encode(), 3),
        ("Zoë 東京".encode(), 2),
        ("Zoe\u0308 東京".encode(), 3),  # the same to the eye, composed otherwise
        (b"o'neil; --", 2),
        (rb"dom\user", 2),
        (rb"caf\xe9", 3),  # the escaped form is another name
    ],
)
def test_only_the_exact_octets_are_the_name(nas: Nas, name: bytes, code: int) -> None:
    assert login(nas, name).code == code


@pytest.mark.parametrize("name", [b"bob\0x", b"\xff\xfe", b"a\x1b[31mb", b'"<script>', rb"\x00"])
def test_whatever_was_asked_is_found_again_escaped(isp: Turnpike, nas: Nas, name: bytes) -> None:
    assert login(nas, name).code == 3
    shown = to_text(name)

    def listed() -> list[dict[str, object]]:
        found = json.loads(isp.command("decision", "list", "--json", "--username", shown))
        assert isinstance(found, list)
        return found

    eventually(listed, 10.0, lambda: f"no decision about {shown}")
    [decision] = listed()
    assert decision["username"] == shown
    assert decision["reason"] == "unknown-user"
    assert "\x1b" not in isp.command("decision", "list")
