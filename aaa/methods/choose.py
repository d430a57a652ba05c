"""Which proof a login brings, and whether it holds.  The door to this package.

Pure: time and chance come with the context, the credential with the caller.
"""

from aaa.methods import chap, device, eap_server, mschap, pap
from aaa.methods.context import ProofContext
from aaa.methods.eap import rejection
from aaa.methods.outcome import Credential, Failed, Outcome
from core.radius.packet import Packet
from core.radius.types import (
    ARAP_PASSWORD,
    CHAP_CHALLENGE,
    CHAP_PASSWORD,
    EAP_MESSAGE,
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP_CHALLENGE,
    MS_CHAP_RESPONSE,
    USER_PASSWORD,
    VENDOR_SPECIFIC,
)

_NO_PROOF = Failed("none", "no-proof")
_TWO_PROOFS = Failed("none", "two-proofs")
_UNSUPPORTED = Failed("arap", "unsupported")
_MICROSOFT = MICROSOFT.to_bytes(4, "big")
_MS_RESPONSES = (MS_CHAP2_RESPONSE, MS_CHAP_RESPONSE)


def prove(
    request: Packet,
    name: bytes,
    credential: Credential | None,
    context: ProofContext,
    vouched: str = "",
) -> Outcome:
    """Check the one proof in an Access-Request against the credential of its User-Name.

    `name` is the User-Name as received: MS-CHAP hashes it, EAP compares it.  For a name
    that nobody has the credential is None; the work and the octets of the answer are
    those of a wrong password, and so is the reason, "password".

    `vouched` is what the NAS answers for in place of a password ("line", "mac", "unknown"; see
    `aaa.finding`): then none, PAP and CHAP will do, and whoever proves more must prove it.

    RFC 2865 §4.1 and RFC 3579 §3.3 allow one proof a request; with two, whichever we
    looked at, somebody in between might have looked at the other.
    """
    attributes = request.first
    hidden = attributes.get(USER_PASSWORD)
    response = attributes.get(CHAP_PASSWORD)
    arap = ARAP_PASSWORD in attributes
    eap = EAP_MESSAGE in attributes
    proofs = (hidden is not None) + (response is not None) + arap + eap
    microsoft: dict[int, bytes] = {}
    if VENDOR_SPECIFIC in attributes:
        proofs += _read_microsoft(request, microsoft)
    if proofs != 1:
        if proofs == 0:
            return device.prove_bare(vouched) if vouched else _NO_PROOF
        return Failed("none", "two-proofs", rejection(request)) if eap else _TWO_PROOFS
    if hidden is not None:
        if len(request.all(USER_PASSWORD)) > 1:
            return _TWO_PROOFS
        if vouched:
            return device.prove_pap(
                vouched, name, hidden, request.authenticator, credential, context.secret
            )
        return pap.prove(hidden, request.authenticator, credential, context.secret)
    if response is not None:
        if len(request.all(CHAP_PASSWORD)) > 1:
            return _TWO_PROOFS
        challenge = attributes.get(CHAP_CHALLENGE)
        if challenge is None:
            challenge = request.authenticator
        if vouched:
            return device.prove_chap(vouched, name, response, challenge, credential)
        return chap.prove(response, challenge, credential)
    if eap:
        return eap_server.prove(request, name, credential, context)
    if arap:
        return _UNSUPPORTED
    challenge = microsoft.get(MS_CHAP_CHALLENGE, b"")
    if MS_CHAP2_RESPONSE in microsoft:
        response = microsoft[MS_CHAP2_RESPONSE]
        return mschap.prove_v2(
            response, challenge, name, credential, request.authenticator, context
        )
    response = microsoft[MS_CHAP_RESPONSE]
    return mschap.prove_v1(response, challenge, credential, request.authenticator, context)


def _read_microsoft(request: Packet, found: dict[int, bytes]) -> int:
    """Collect Microsoft's attributes into `found`; how many responses there are among them."""
    responses = 0
    for value in request.all(VENDOR_SPECIFIC):
        if value[:4] != _MICROSOFT:
            continue
        at, end = 4, len(value)
        while at + 2 <= end:
            number, size = value[at], value[at + 1]
            if size < 2 or at + size > end:
                break  # not in the recommended format: unknown, not malformed
            found[number] = value[at + 2 : at + size]
            if number in _MS_RESPONSES:
                responses += 1
            at += size
    return responses
