"""EAP-MSCHAPv2: MS-CHAPv2 inside EAP (draft-kamath-pppext-eap-mschapv2-02).

Whether the password was right is said in one more round, which the peer acknowledges,
and only then in the Access-Accept or -Reject.
"""

from typing import Final

from aaa.methods import eap, mppe
from aaa.methods.context import ProofContext
from aaa.methods.eap_state import State, Step, seal
from aaa.methods.mschap import V2_TAIL, failure_text, verify_v2
from aaa.methods.nt_response import CHALLENGE_OCTETS, without_domain
from aaa.methods.outcome import Challenged, Credential, Failed, Outcome, Proven
from core.radius.packet import Packet

_METHOD = "eap-mschapv2"
_SERVER_NAME = b"turnpike"

# OpCodes, draft §2
_CHALLENGE: Final = 1
_RESPONSE: Final = 2
_SUCCESS: Final = 3
_FAILURE: Final = 4

_VALUE_OCTETS = 49  # Peer-Challenge (16), Reserved (8), NT-Response (24), Flags
_HEADER_OCTETS = 5  # OpCode, MS-CHAPv2-ID, MS-Length (2), Value-Size


def challenge(identifier: int, value: bytes) -> bytes:
    """The challenge request (draft §2.1)."""
    return _request(
        identifier, _CHALLENGE, identifier, bytes((CHALLENGE_OCTETS,)) + value + _SERVER_NAME
    )


def answer(
    request: Packet,
    response: eap.Response,
    state: State,
    name: bytes,
    credential: Credential | None,
    context: ProofContext,
) -> Outcome:
    """What the peer said to our challenge, our Success or our Failure."""
    opcode = response.data[0] if response.data else 0
    if state.step == Step.FAILURE:
        return Failed(_METHOD, "password", eap.failure(response.identifier), acknowledges=True)
    if state.step == Step.SUCCESS:
        if opcode != _SUCCESS or credential is None:
            return Failed(_METHOD, "malformed", eap.failure(response.identifier))
        keys = mppe.v2_attributes(
            credential.nt_hash_hash,
            state.data,
            context.secret,
            request.authenticator,
            context.random,
        )
        return Proven(_METHOD, eap.success(response.identifier) + keys)
    if opcode != _RESPONSE:
        return Failed(_METHOD, "malformed", eap.failure(response.identifier))
    return _answer_challenge(response, state, name, credential, context)


def _answer_challenge(
    response: eap.Response,
    state: State,
    name: bytes,
    credential: Credential | None,
    context: ProofContext,
) -> Outcome:
    """The response (draft §2.2), whose Name is what the peer hashed.

    It is the User-Name, give or take a domain: else one could log in as another.
    """
    data = response.data
    at = _HEADER_OCTETS
    end = at + _VALUE_OCTETS
    if len(data) < end or data[4] != _VALUE_OCTETS:
        return Failed(_METHOD, "malformed", eap.failure(response.identifier))
    if without_domain(data[end:]) != without_domain(name):
        return Failed(_METHOD, "malformed", eap.failure(response.identifier))
    nt_response = data[at + 24 : at + 48]
    success = verify_v2(data[at : at + 16], state.data, name, nt_response, credential)
    identifier = (response.identifier + 1) & 0xFF
    if success:
        asked = State(Step.SUCCESS, eap.MSCHAPV2, identifier, nt_response)
        told = _request(identifier, _SUCCESS, data[1], success + b" M=Welcome")
        return Challenged(_METHOD, told + seal(asked, name, credential, context))
    text = failure_text(context.random(CHALLENGE_OCTETS), V2_TAIL)
    asked = State(Step.FAILURE, eap.MSCHAPV2, identifier, b"")
    told = _request(identifier, _FAILURE, data[1], text)
    return Challenged(_METHOD, told + seal(asked, name, credential, context), "password")


def _request(identifier: int, opcode: int, mschapv2_id: int, data: bytes) -> bytes:
    """MS-Length counts from the OpCode on."""
    head = bytes((opcode, mschapv2_id)) + (4 + len(data)).to_bytes(2, "big")
    return eap.request_attributes(identifier, eap.MSCHAPV2, head + data)
