"""FreeRADIUS as the NAS that is told to change or end a session (RFC 5176)."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.radius.codec import Decoded
from core.secret import Secret
from nas_adapters.base import Attr, Step, Verb
from nas_adapters.coa import Acked, CoaTarget, Naked, Silent
from tests.peers.freeradius import freeradius
from tests.peers.programs import needs
from tests.peers.telling import told

pytestmark = pytest.mark.peer

SECRET = "told-by-turnpike"
ATTRIBUTES = (
    Attr("User-Name", "alice"),
    Attr("Acct-Session-Id", "81a00017"),
    Attr("NAS-IP-Address", "192.0.2.1"),
)
SLOWER = (*ATTRIBUTES, Attr("Mikrotik-Rate-Limit", "1M/2M"), Attr("Session-Timeout", 600))


@pytest.fixture(scope="module")
def box() -> Iterator[CoaTarget]:
    with freeradius(needs("freeradius"), SECRET, {}) as server:
        yield CoaTarget(*server.coa, Secret(SECRET.encode()))


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "not signed"])
@pytest.mark.parametrize(
    ("step", "read_as"),
    [
        (Step(Verb.COA, SLOWER), "CoA-Request for alice"),
        (Step(Verb.DISCONNECT, ATTRIBUTES), "Disconnect-Request for alice"),
    ],
    ids=["coa", "disconnect"],
)
async def test_freeradius_does_as_it_is_told(
    box: CoaTarget, step: Step, read_as: str, signed: bool
) -> None:
    before_s = int(time.time())
    if not signed:  # which it takes from this address alone
        box = replace(box, sends_message_authenticator=False, source_address="127.0.0.7")
    result = await told(box, step)
    assert isinstance(result, Acked)
    said = {each.name: each.value for each in result.attributes if isinstance(each, Decoded)}
    assert said["User-Name"] == read_as
    stamp = said["Event-Timestamp"]
    assert isinstance(stamp, int)
    assert before_s <= stamp <= time.time()
    assert "Message-Authenticator" in said, "checked by the client, or this were silence"


async def test_freeradius_refuses_with_a_cause(box: CoaTarget) -> None:
    gone = Step(Verb.DISCONNECT, (Attr("Acct-Session-Id", "gone"),))
    result = await told(box, gone)
    assert isinstance(result, Naked)
    assert (result.error_cause, result.message) == (503, "no such session")


async def test_freeradius_is_silent_when_the_secret_is_another(box: CoaTarget) -> None:
    wrong = replace(box, secret=Secret(b"another"))
    assert await told(wrong, Step(Verb.DISCONNECT, ATTRIBUTES)) == Silent(3)
