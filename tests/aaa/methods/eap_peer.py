"""A peer and its NAS in one: answers what the server asks, as the RFCs tell a peer to.

Written from RFC 3748 §5 and draft-kamath-pppext-eap-mschapv2-02 §2 without a look at the
server; only the MS-CHAPv2 arithmetic, which the RFC's own figures check, is shared.
"""

import hashlib
from dataclasses import dataclass, field
from hmac import compare_digest

from aaa.methods.choose import prove
from aaa.methods.context import ProofContext
from aaa.methods.md4 import credential_of
from aaa.methods.nt_response import authenticator_response, challenge_hash, nt_response
from aaa.methods.outcome import Challenged, Credential, Outcome
from core.radius.packet import Packet, attribute
from core.radius.types import EAP_MESSAGE, STATE
from tests.aaa.methods.logins import CREDENTIAL, NAME, PASSWORD, answer, context, login

PEER_CHALLENGE = bytes(range(100, 116))
MD5, MSCHAPV2 = 4, 26


def eap_response(identifier: int, eap_type: int, data: bytes = b"") -> bytes:
    return bytes((2, identifier)) + (5 + len(data)).to_bytes(2, "big") + bytes((eap_type,)) + data


def eap_attributes(message: bytes, size: int = 253) -> bytes:
    """EAP-Message attributes; a NAS may cut where it likes, but sends at least one."""
    parts = [message[at : at + size] for at in range(0, len(message), size)] or [b""]
    return b"".join(attribute(EAP_MESSAGE, part) for part in parts)


@dataclass
class Peer:
    """Speaks one conversation; what it learnt is there to be looked at afterwards."""

    credential: Credential | None = CREDENTIAL  # what the server holds
    password: str = PASSWORD  # what the peer types
    name: bytes = NAME
    accepts: tuple[int, ...] = (MSCHAPV2, MD5)
    fragment_octets: int = 253
    at_server: ProofContext = field(default_factory=context)
    turns: list[Outcome] = field(default_factory=list)
    server_is_proven: bool = False
    nt_response: bytes = b""
    errors: list[bytes] = field(default_factory=list)

    def run(self) -> Outcome:
        """From the identity to the Accept or Reject."""
        outcome = self.send(eap_response(1, 1, self.name))
        while isinstance(outcome, Challenged):
            assert len(self.turns) < 10, "the server never comes to an end"
            outcome = self.send(self.reply_to(self.message()))
        return outcome

    def send(self, message: bytes, *, state: bytes | None = None) -> Outcome:
        """One Access-Request, with the State of the last challenge unless another is given."""
        if state is None and self.turns:
            state = self.last().get(STATE)
        self.turns.append(
            prove(
                login(
                    eap_attributes(message, self.fragment_octets),
                    b"" if state is None else attribute(STATE, state),
                    name=self.name,
                ),
                self.name,
                self.credential,
                self.at_server,
            )
        )
        return self.turns[-1]

    def last(self) -> Packet:
        return answer(self.turns[-1])

    def message(self) -> bytes:
        """The EAP packet of the last answer; its length must be as it says."""
        message = b"".join(self.last().all(EAP_MESSAGE))
        assert int.from_bytes(message[2:4], "big") == len(message)
        return message

    def reply_to(self, request: bytes) -> bytes:
        code, identifier, eap_type, data = request[0], request[1], request[4], request[5:]
        assert code == 1
        if eap_type == 1:
            return eap_response(identifier, 1, self.name)
        if eap_type not in self.accepts:
            return eap_response(identifier, 3, bytes(self.accepts) or b"\0")
        if eap_type == MD5:
            return self._md5(identifier, data)
        assert eap_type == MSCHAPV2
        return self._mschapv2(identifier, data)

    def _md5(self, identifier: int, data: bytes) -> bytes:
        challenge = data[1 : 1 + data[0]]
        digest = hashlib.md5(bytes((identifier,)) + self.password.encode() + challenge).digest()
        return eap_response(identifier, MD5, b"\x10" + digest + self.name)

    def _mschapv2(self, identifier: int, data: bytes) -> bytes:
        opcode, mschapv2_id, length = data[0], data[1], int.from_bytes(data[2:4], "big")
        assert length == len(data)
        if opcode == 1:
            assert data[4] == 16
            assert len(data) > 21, "the server names itself"
            self.hashed = challenge_hash(PEER_CHALLENGE, data[5:21], self.name)
            typed = credential_of(self.password)
            self.nt_response = nt_response(self.hashed, typed.nt_hash)
            value = PEER_CHALLENGE + bytes(8) + self.nt_response + b"\0"
            body = bytes((len(value),)) + value + self.name
            head = bytes((2, mschapv2_id)) + (4 + len(body)).to_bytes(2, "big")
            return eap_response(identifier, MSCHAPV2, head + body)
        if opcode == 3:
            typed = credential_of(self.password)
            expected = authenticator_response(typed.nt_hash_hash, self.nt_response, self.hashed)
            self.server_is_proven = compare_digest(data[4:46], expected)
            return eap_response(identifier, MSCHAPV2, b"\3" if self.server_is_proven else b"\4")
        assert opcode == 4
        self.errors.append(data[4:])
        return eap_response(identifier, MSCHAPV2, b"\4")
