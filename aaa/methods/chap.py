"""CHAP: a digest over the password and a challenge (RFC 1994 §4.1, RFC 2865 §5.3)."""

from hmac import compare_digest

from aaa.methods.context import NOBODY
from aaa.methods.outcome import Credential, Failed, Outcome, Proven
from core.radius.digest import md5

RESPONSE_OCTETS = 17  # CHAP identifier, MD5
CHALLENGE_OCTETS_MIN = 5  # RFC 2865 §5.40

_PROVEN = Proven("chap")
_WRONG = Failed("chap", "password")
_MALFORMED = Failed("chap", "malformed")


def prove(response: bytes, challenge: bytes, credential: Credential | None) -> Outcome:
    """`challenge` is CHAP-Challenge, or the Request Authenticator where there is none."""
    if len(response) != RESPONSE_OCTETS or len(challenge) < CHALLENGE_OCTETS_MIN:
        return _MALFORMED
    expected = md5(response[:1] + (credential or NOBODY).password + challenge).digest()
    same = compare_digest(expected, response[1:])
    return _PROVEN if same and credential is not None else _WRONG
