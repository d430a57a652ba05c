"""EAP-MD5: CHAP inside EAP (RFC 3748 §5.4).  No keys, and no proof of the server."""

from hmac import compare_digest

from aaa.methods import eap
from aaa.methods.context import NOBODY
from aaa.methods.eap_state import State
from aaa.methods.outcome import Credential, Failed, Outcome, Proven
from core.radius.digest import md5

_VALUE_OCTETS = 16


def challenge(identifier: int, value: bytes) -> bytes:
    """The request: Value-Size, Value; we send no Name."""
    return eap.request_attributes(identifier, eap.MD5_CHALLENGE, bytes((len(value),)) + value)


def answer(response: eap.Response, state: State, credential: Credential | None) -> Outcome:
    """The response: Value-Size, Value, and a Name that nobody needs."""
    data = response.data
    if len(data) <= _VALUE_OCTETS or data[0] != _VALUE_OCTETS:
        return Failed("eap-md5", "malformed", eap.failure(response.identifier))
    password = (credential or NOBODY).password
    expected = md5(bytes((response.identifier,)) + password + state.data).digest()
    same = compare_digest(expected, data[1 : 1 + _VALUE_OCTETS])
    if not same or credential is None:
        return Failed("eap-md5", "password", eap.failure(response.identifier))
    return Proven("eap-md5", eap.success(response.identifier))
