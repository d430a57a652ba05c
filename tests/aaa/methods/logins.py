"""Access-Requests to prove, and the attributes of an outcome, for the tests beside this file."""

from collections.abc import Callable

from aaa.methods.context import ProofContext
from aaa.methods.md4 import credential_of
from aaa.methods.outcome import Challenged, Failed, Outcome, Proven
from core.radius.packet import Packet, attribute, parse
from core.radius.types import ACCESS_REQUEST, NAS_IP_ADDRESS, USER_NAME
from core.secret import Vault

SECRET = b"a secret of 24 octets..."
AUTHENTICATOR = bytes.fromhex("0f403f9473978057bd83d5cb98f4227a")
NAME = b"pppoe-1042"
PASSWORD = "correct horse"
CREDENTIAL = credential_of(PASSWORD)
NOW_S = 1_767_225_600.25
KEY = bytes(range(32))


def counting() -> Callable[[int], bytes]:
    """Chance that is the same in every run, and never the same octets twice."""
    state = 0

    def random(size: int) -> bytes:
        nonlocal state
        state += 1
        return (state * 0x9E3779B97F4A7C15F39CC0605CEDC834).to_bytes(32, "big")[-size:]

    return random


def context(
    *,
    secret: bytes = SECRET,
    random: Callable[[int], bytes] | None = None,
    now_s: float = NOW_S,
    key: bytes = KEY,
    nas: bytes = b"",
) -> ProofContext:
    chance = random or counting()
    return ProofContext(secret, chance, now_s, Vault(key, chance), nas)


def login(
    *attributes: bytes, name: bytes | None = NAME, authenticator: bytes = AUTHENTICATOR
) -> Packet:
    """An Access-Request with these attributes after User-Name."""
    body = b"" if name is None else attribute(USER_NAME, name)
    body += b"".join(attributes) + attribute(NAS_IP_ADDRESS, b"\xc0\0\2\1")
    head = bytes((ACCESS_REQUEST, 7)) + (20 + len(body)).to_bytes(2, "big")
    return parse(head + authenticator + body)


def answer(outcome: Outcome) -> Packet:
    """The attributes of an outcome, read back as the packet they would be sent in."""
    code = {Proven: 2, Failed: 3, Challenged: 11}[type(outcome)]
    size = 20 + len(outcome.attributes)
    return parse(bytes((code, 7)) + size.to_bytes(2, "big") + bytes(16) + outcome.attributes)


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Failed), outcome
    return outcome.reason
