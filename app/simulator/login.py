"""How a subscriber proves his password to a NAS, and how the NAS passes it on.

PAP, CHAP and MS-CHAPv2 as attributes of an Access-Request (RFC 2865 §5.2, §5.3; RFC 2548
§2.3).  `none` is for lines that have no password, as IPoE's.  The random octets are
arguments, so that a seed makes the same packets again.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from hashlib import md5

from aaa.methods.md4 import md4, nt_hash
from aaa.methods.nt_response import authenticator_response, challenge_hash, nt_response
from app.simulator import wire
from app.simulator.wire import Fields
from core.radius.hiding import hide_user_password
from core.radius.types import (
    CHAP_CHALLENGE,
    CHAP_PASSWORD,
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP2_SUCCESS,
    MS_CHAP_CHALLENGE,
    USER_PASSWORD,
)


class Method(StrEnum):
    """What the simulator's subscribers can."""

    PAP = "pap"
    CHAP = "chap"
    MSCHAPV2 = "mschapv2"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Proof:
    """What goes into the request, and what the Accept must say in return, if anything."""

    attributes: bytes
    success: bytes = b""

    def is_answered_by(self, accept: Fields) -> bool:
        """MS-CHAPv2 is mutual: a server that does not know the password is none (RFC 2759 §5)."""
        if not self.success:
            return True
        return self.success in accept.all((MICROSOFT, MS_CHAP2_SUCCESS))


def prove(
    method: Method,
    name: str,
    password: str,
    *,
    secret: bytes,
    authenticator: bytes,
    chance: random.Random,
) -> Proof:
    """The attributes that carry the password, or proof of it."""
    octets = password.encode()
    if method is Method.PAP:
        hidden = hide_user_password(octets, secret, authenticator)
        return Proof(wire.octets(USER_PASSWORD, hidden))
    if method is Method.CHAP:
        identifier, challenge = chance.randbytes(1), chance.randbytes(16)
        digest = md5(identifier + octets + challenge).digest()  # noqa: S324 - RFC 1994
        return Proof(
            wire.octets(CHAP_PASSWORD, identifier + digest) + wire.octets(CHAP_CHALLENGE, challenge)
        )
    if method is Method.MSCHAPV2:
        return _mschapv2(name.encode(), password, chance)
    return Proof(b"")


def _mschapv2(name: bytes, password: str, chance: random.Random) -> Proof:
    identifier, challenge, peer_challenge = (chance.randbytes(n) for n in (1, 16, 16))
    hashed = nt_hash(password)
    short = challenge_hash(peer_challenge, challenge, name)
    response = nt_response(short, hashed)
    value = identifier + b"\0" + peer_challenge + bytes(8) + response
    return Proof(
        wire.octets((MICROSOFT, MS_CHAP_CHALLENGE), challenge)
        + wire.octets((MICROSOFT, MS_CHAP2_RESPONSE), value),
        identifier + authenticator_response(md4(hashed), response, short),
    )
