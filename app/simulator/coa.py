"""How a simulated NAS answers CoA- and Disconnect-Requests (RFC 5176).

The authenticator is verified first, then the session is found as the make finds it, then
the make says what it changes.  Nothing is remembered of a request that was answered: a
Disconnect that is sent again meets no session and is told so (503), as the RFC allows.

Sans-IO like `nas`.
"""

from app.simulator import wire
from app.simulator.events import ADMIN_RESET, Happened, What
from app.simulator.faults import Coa
from app.simulator.nas import Nas
from app.simulator.personality import (
    IDENTIFICATION,
    NAS_MISMATCH,
    SESSION_NOT_FOUND,
    UNSUPPORTED_ATTRIBUTE,
    Personality,
    Refusal,
)
from app.simulator.records import identity
from app.simulator.session import Session
from app.simulator.wire import Fields, fields
from core.radius.authenticity import SharedSecret
from core.radius.packet import Malformed, Packet, parse
from core.radius.types import (
    ACCT_SESSION_ID,
    CLASS,
    COA_ACK,
    COA_NAK,
    COA_REQUEST,
    DISCONNECT_ACK,
    DISCONNECT_NAK,
    DISCONNECT_REQUEST,
    ERROR_CAUSE,
    MESSAGE_AUTHENTICATOR,
    NAS_IDENTIFIER,
    NAS_IP_ADDRESS,
    NAS_IPV6_ADDRESS,
    PROXY_STATE,
    REPLY_MESSAGE,
)

# What a Disconnect-Request may hold: identification, and little else (RFC 5176 §3, §3.6).
_MAY_DISCONNECT: frozenset[wire.Key] = IDENTIFICATION | frozenset[wire.Key](
    (
        NAS_IP_ADDRESS, NAS_IDENTIFIER, NAS_IPV6_ADDRESS, wire.EVENT_TIMESTAMP,
        MESSAGE_AUTHENTICATOR, PROXY_STATE, REPLY_MESSAGE, CLASS, wire.ACCT_TERMINATE_CAUSE,
    )
)  # fmt: skip


def asked(nas: Nas, datagram: bytes, now: float) -> bytes | None:
    """The answer, or None for silence.  What else comes of it, `nas` has to say."""
    secret = SharedSecret(nas.secret)
    try:
        request = parse(datagram)
    except Malformed as why:
        nas.tell(Happened(What.IGNORED, detail=str(why)))
        return None
    if not _is_believed(request, secret):
        nas.tell(Happened(What.IGNORED, detail="authenticator", code=request.code))
        return None
    fault = nas.faults.coa
    if fault is Coa.SILENT:
        nas.tell(Happened(What.IGNORED, detail="silent", code=request.code))
        return None
    if fault is Coa.FORGED:
        nas.tell(Happened(What.IGNORED, detail="forged", code=request.code))
        return _reply(request, SharedSecret(nas.secret + b"?"), None, b"")
    said = fields(request)
    if fault is Coa.NAK_503:
        refusal: Refusal | None = Refusal(SESSION_NOT_FOUND)
    elif fault is Coa.NO_EFFECT:
        refusal = None
    else:
        refusal = _obey(nas, request.code, said, now)
    if refusal is None:
        nas.tell(Happened(What.ACKED, code=request.code))
    else:
        cause = refusal.error_cause
        nas.tell(Happened(What.NAKED, code=request.code, error_cause=cause, detail=refusal.message))
    return _reply(
        request,
        secret,
        refusal,
        b"".join(wire.octets(PROXY_STATE, state) for state in said.all(PROXY_STATE)),
    )


def _is_believed(request: Packet, secret: SharedSecret) -> bool:
    if request.code not in (COA_REQUEST, DISCONNECT_REQUEST) or not secret.authenticates(request):
        return False
    return not request.message_authenticator_at or secret.signs(request)


def _obey(nas: Nas, code: int, said: Fields, now: float) -> Refusal | None:
    found = _find(nas, said)
    if isinstance(found, Refusal):
        return found
    made = nas.personality
    if code == DISCONNECT_REQUEST:
        if made.strict_disconnect and not said.keys <= _MAY_DISCONNECT:
            return Refusal(UNSUPPORTED_ATTRIBUTE)
        for session in found:
            nas.end(session, ADMIN_RESET, now)
        return None
    # All of them, or none: a change that one of them cannot have is refused.
    changes = [(session, made.change(said, session.service, nas.box)) for session in found]
    for _, changed in changes:
        if isinstance(changed, Refusal):
            return changed
    for session, changed in changes:
        assert not isinstance(changed, Refusal)
        session.count(now)  # until now at the old rate
        session.service = changed
        nas.look_at_end(session, now)
    return None


def _find(nas: Nas, said: Fields) -> list[Session] | Refusal:
    """The sessions that are meant: all that match (RFC 5176 §3)."""
    made = nas.personality
    if made.checks_nas and not _is_us(nas, said):
        return Refusal(NAS_MISMATCH)
    wanted = {number: said.all(number)[-1] for number in made.identified_by if number in said}
    if made.selects is not None:
        wanted |= made.selects(said)
    if not wanted or not made.needs <= wanted.keys():
        return Refusal(made.without_identity)
    name = wanted.get(ACCT_SESSION_ID, b"").decode(errors="replace")
    candidates = [nas.sessions[name]] if name in nas.sessions else nas.sessions.values()
    found = [session for session in candidates if _matches(made, nas, session, wanted)]
    return found or Refusal(SESSION_NOT_FOUND)


def _matches(made: Personality, nas: Nas, session: Session, wanted: dict[int, bytes]) -> bool:
    """As the session was reported, octet for octet."""
    if ACCT_SESSION_ID in wanted and wanted[ACCT_SESSION_ID] != session.acct_session_id.encode():
        return False
    known = Fields(_pairs(identity(made, nas.box, session)))
    return all(known.all(number) == [value] for number, value in wanted.items())


def _pairs(attributes: bytes) -> list[tuple[int, bytes]]:
    head = bytes((0, 0)) + (20 + len(attributes)).to_bytes(2, "big") + bytes(16)
    return parse(head + attributes).attributes()


def _is_us(nas: Nas, said: Fields) -> bool:
    address, name = said.address(NAS_IP_ADDRESS), said.text(NAS_IDENTIFIER)
    return address in (None, nas.box.address) and name in (None, nas.box.name)


def _reply(
    request: Packet, secret: SharedSecret, refusal: Refusal | None, proxy_states: bytes
) -> bytes:
    is_coa = request.code == COA_REQUEST
    signed = bool(request.message_authenticator_at)
    if refusal is None:
        code = COA_ACK if is_coa else DISCONNECT_ACK
        return secret.reply(code, request, proxy_states, signed=signed)
    attributes = wire.text(REPLY_MESSAGE, refusal.message) + proxy_states
    if refusal.error_cause is not None:
        attributes += wire.number(ERROR_CAUSE, refusal.error_cause)
    code = COA_NAK if is_coa else DISCONNECT_NAK
    return secret.reply(code, request, attributes, signed=signed)
