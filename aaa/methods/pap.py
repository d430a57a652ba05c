"""PAP: the password itself, hidden with the shared secret (RFC 2865 §5.2)."""

from hmac import compare_digest

from aaa.methods.context import NOBODY
from aaa.methods.outcome import Credential, Failed, Outcome, Proven
from core.radius.hiding import BLOCK, USER_PASSWORD_MAX, reveal_user_password

_PROVEN = Proven("pap")
_WRONG = Failed("pap", "password")
_MALFORMED = Failed("pap", "malformed")


def prove(
    hidden: bytes, authenticator: bytes, credential: Credential | None, secret: bytes
) -> Outcome:
    """Compare octets exactly; only the NULs that pad the value are not part of it."""
    size = len(hidden)
    if size % BLOCK or not 0 < size <= USER_PASSWORD_MAX:
        return _MALFORMED
    password = reveal_user_password(hidden, secret, authenticator)
    same = compare_digest(password, (credential or NOBODY).password)
    return _PROVEN if same and credential is not None else _WRONG
