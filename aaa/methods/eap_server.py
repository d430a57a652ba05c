"""The server's side of EAP: which method, whose turn, what comes next (RFC 3748, RFC 3579 §2).

```
start                  -> Request Identity
Identity               -> challenge of the method we prefer          step CHALLENGE
Nak                    -> challenge of a method the peer named       step CHOSEN
response, right        -> EAP-MD5: accept; EAP-MSCHAPv2: Success     step SUCCESS
response, wrong        -> EAP-MD5: reject; EAP-MSCHAPv2: Failure     step FAILURE
acknowledged SUCCESS   -> accept
anything else          -> reject
```

Keeps nothing: the step lies sealed in the State attribute.  EAP-MSCHAPv2 is offered
first, because it gives keys and proves the server to the peer; EAP-MD5 does neither.
Tunnelled methods (TLS, TTLS, PEAP) are not known here: a peer that insists is refused.
"""

from aaa.methods import eap, eap_md5, eap_mschapv2
from aaa.methods.context import ProofContext
from aaa.methods.eap_state import State, Step, seal, unseal
from aaa.methods.outcome import Challenged, Credential, Failed, Outcome
from core.radius.packet import Packet
from core.radius.types import STATE

CHALLENGE_OCTETS = 16  # of both methods
_FIRST_IDENTIFIER = 1

_CHALLENGES = {eap.MSCHAPV2: eap_mschapv2.challenge, eap.MD5_CHALLENGE: eap_md5.challenge}
_PREFERRED = eap.MSCHAPV2
METHODS = {eap.MSCHAPV2: "eap-mschapv2", eap.MD5_CHALLENGE: "eap-md5"}


def prove(
    request: Packet, name: bytes, credential: Credential | None, context: ProofContext
) -> Outcome:
    """One turn of the conversation."""
    message = eap.message_of(request)
    if not message:  # EAP-Start (RFC 3579 §2.1)
        return _ask_identity(_FIRST_IDENTIFIER)
    response = eap.read_response(message)
    if response is None:
        return Failed("eap", "malformed", eap.rejection(request))
    if response.type == eap.IDENTITY:
        if not name and not response.data:
            return _ask_identity(_next(response.identifier))
        if response.data != name:  # RFC 3579 §2.1: the NAS copies one into the other
            return Failed("eap", "malformed", eap.failure(response.identifier))
        return _offer(_PREFERRED, Step.CHALLENGE, response, name, credential, context)
    sealed = request.get(STATE)
    if sealed is None:
        # A NAS may start with a method of its own, which the peer refused (RFC 3579 §2.1).
        if response.type == eap.NAK:
            return _renegotiate(0, response, name, credential, context)
        return Failed("eap", "expired", eap.failure(response.identifier))
    state = unseal(sealed, name, credential, context)
    if state is None or state.identifier != response.identifier:
        return Failed("eap", "expired", eap.failure(response.identifier))
    if response.type == eap.NAK and state.step == Step.CHALLENGE:
        return _renegotiate(state.eap_type, response, name, credential, context)
    if response.type != state.eap_type:
        return Failed(METHODS[state.eap_type], "unsupported", eap.failure(response.identifier))
    if state.eap_type == eap.MD5_CHALLENGE:
        return eap_md5.answer(response, state, credential)
    return eap_mschapv2.answer(request, response, state, name, credential, context)


def _next(identifier: int) -> int:
    return (identifier + 1) & 0xFF


def _ask_identity(identifier: int) -> Outcome:
    return Challenged("eap", eap.request_attributes(identifier, eap.IDENTITY, b""))


def _offer(
    eap_type: int,
    step: Step,
    response: eap.Response,
    name: bytes,
    credential: Credential | None,
    context: ProofContext,
) -> Outcome:
    identifier = _next(response.identifier)
    challenge = context.random(CHALLENGE_OCTETS)
    state = State(step, eap_type, identifier, challenge)
    return Challenged(
        METHODS[eap_type],
        _CHALLENGES[eap_type](identifier, challenge) + seal(state, name, credential, context),
    )


def _renegotiate(
    refused: int,
    response: eap.Response,
    name: bytes,
    credential: Credential | None,
    context: ProofContext,
) -> Outcome:
    """The first of the peer's wishes that we know and have not offered (RFC 3748 §5.3.1)."""
    for wish in response.data:
        if wish in METHODS and wish != refused:
            return _offer(wish, Step.CHOSEN, response, name, credential, context)
    return Failed("eap", "unsupported", eap.failure(response.identifier))
