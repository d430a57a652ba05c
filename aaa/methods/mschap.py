"""MS-CHAP, version 1 and 2, as a PPP NAS passes it on (RFC 2433, RFC 2759, RFC 2548 §2).

Version 2 also proves to the subscriber that we know the password.
"""

from hmac import compare_digest

from aaa.methods import mppe
from aaa.methods.context import NOBODY, ProofContext
from aaa.methods.nt_response import (
    CHALLENGE_OCTETS,
    SUCCESS_OCTETS,
    authenticator_response,
    challenge_hash,
    nt_response,
)
from aaa.methods.outcome import Credential, Failed, Outcome, Proven
from core.radius.packet import vendor_attribute
from core.radius.types import MICROSOFT, MS_CHAP2_SUCCESS, MS_CHAP_ERROR

V1_CHALLENGE_OCTETS = 8
RESPONSE_OCTETS = 50  # of either version: RFC 2548 §2.1.3, §2.3.2
_USE_NT_RESPONSE = 1  # RFC 2548 §2.1.3, Flags

# The version that speaks, and for people only in version 2, which can carry it.
V1_TAIL = b" V=2"
V2_TAIL = b" V=3 M=Login refused"

# What precedes the text of MS-CHAP2-Success, which always has as many octets: Ident and S=...
_SUCCESS = vendor_attribute(MICROSOFT, MS_CHAP2_SUCCESS, bytes(1 + SUCCESS_OCTETS))[
    : -1 - SUCCESS_OCTETS
]

_V1_MALFORMED = Failed("mschap", "malformed")
_V1_UNSUPPORTED = Failed("mschap", "unsupported")
_V2_MALFORMED = Failed("mschapv2", "malformed")


def prove_v1(
    response: bytes,
    challenge: bytes,
    credential: Credential | None,
    authenticator: bytes,
    context: ProofContext,
) -> Outcome:
    """MS-CHAP-Response: Ident, Flags, LM-Response (24), NT-Response (24).

    The LM response is never looked at: it would accept passwords that differ in case.
    """
    if len(response) != RESPONSE_OCTETS or len(challenge) != V1_CHALLENGE_OCTETS:
        return _V1_MALFORMED
    if response[1] != _USE_NT_RESPONSE:
        return _V1_UNSUPPORTED
    known = credential or NOBODY
    same = compare_digest(nt_response(challenge, known.nt_hash), response[26:])
    if not same or credential is None:
        text = failure_text(context.random(V1_CHALLENGE_OCTETS), V1_TAIL)
        return Failed("mschap", "password", _error(response[:1], text))
    return Proven("mschap", mppe.v1_attributes(known.nt_hash_hash, context.secret, authenticator))


def prove_v2(
    response: bytes,
    challenge: bytes,
    name: bytes,
    credential: Credential | None,
    authenticator: bytes,
    context: ProofContext,
) -> Outcome:
    """MS-CHAP2-Response: Ident, Flags, Peer-Challenge (16), Reserved (8), Response (24)."""
    if len(response) != RESPONSE_OCTETS or len(challenge) != CHALLENGE_OCTETS:
        return _V2_MALFORMED
    received = response[26:]
    success = verify_v2(response[2:18], challenge, name, received, credential)
    if not success or credential is None:
        text = failure_text(context.random(CHALLENGE_OCTETS), V2_TAIL)
        return Failed("mschapv2", "password", _error(response[:1], text))
    keys = mppe.v2_attributes(
        credential.nt_hash_hash, received, context.secret, authenticator, context.random
    )
    return Proven("mschapv2", _SUCCESS + response[:1] + success + keys)


def verify_v2(
    peer_challenge: bytes,
    challenge: bytes,
    name: bytes,
    received: bytes,
    credential: Credential | None,
) -> bytes:
    """``S=...`` that proves us to the peer, or nothing if `received` is not the right response."""
    known = credential or NOBODY
    hashed = challenge_hash(peer_challenge, challenge, name)
    same = compare_digest(nt_response(hashed, known.nt_hash), received)
    if not same or credential is None:
        return b""
    return authenticator_response(known.nt_hash_hash, received, hashed)


def failure_text(challenge: bytes, tail: bytes) -> bytes:
    """Wrong name or password, and no retry within this exchange (RFC 2433 §6, RFC 2759 §6)."""
    return b"E=691 R=0 C=" + challenge.hex().upper().encode() + tail


def _error(ident: bytes, text: bytes) -> bytes:
    return vendor_attribute(MICROSOFT, MS_CHAP_ERROR, ident + text)
