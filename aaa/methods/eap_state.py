"""What an EAP conversation remembers, sealed into the State attribute.

The server keeps nothing between packets: any worker of any node that has the vault's key
can go on.  What was sealed for one NAS, name or credential does not open for another, so
a State can be neither moved nor outlive a change of the password.
"""

from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple

from aaa.methods.context import NOBODY, ProofContext
from aaa.methods.outcome import Credential
from core.radius.packet import attribute
from core.radius.types import STATE
from core.secret import CannotOpen

AGE_MAX_S = 60
_CLOCK_SKEW_S = 5  # nodes do not agree on the second
_HEADER_OCTETS = 11


class Step(IntEnum):
    """What the peer was asked, and so what its answer must be."""

    CHALLENGE = 1  # a method's challenge; an EAP-Nak may still choose another method
    CHOSEN = 2  # the same after an EAP-Nak
    SUCCESS = 3  # EAP-MSCHAPv2: to acknowledge that we know the password too
    FAILURE = 4  # EAP-MSCHAPv2: to acknowledge that it was refused


class State(NamedTuple):
    """One open question."""

    step: Step
    eap_type: int
    identifier: int  # of the EAP-Request; its response has the same
    data: bytes  # the challenge; for SUCCESS the response that was right


def seal(state: State, name: bytes, credential: Credential | None, context: ProofContext) -> bytes:
    """The State attribute."""
    plain = (
        bytes((state.step, state.eap_type, state.identifier))
        + int(context.now_s).to_bytes(8, "big")
        + state.data
    )
    return attribute(STATE, context.vault.seal(plain, _owner(name, credential, context)))


def unseal(
    value: bytes, name: bytes, credential: Credential | None, context: ProofContext
) -> State | None:
    """None if it is too old, not ours, or not this NAS's, name's and credential's."""
    try:
        plain = context.vault.open(value, _owner(name, credential, context))
    except CannotOpen:
        return None
    age_s = context.now_s - int.from_bytes(plain[3:_HEADER_OCTETS], "big")
    if not -_CLOCK_SKEW_S <= age_s <= AGE_MAX_S:
        return None
    return State(Step(plain[0]), plain[1], plain[2], plain[_HEADER_OCTETS:])


def _owner(name: bytes, credential: Credential | None, context: ProofContext) -> bytes:
    """Whose it is: a digest, with the length of all parts fixed or stated."""
    return sha256(
        b"eap-state"
        + len(context.secret).to_bytes(2, "big")
        + context.secret
        + len(name).to_bytes(2, "big")
        + name
        + (credential or NOBODY).nt_hash_hash
        + context.nas
    ).digest()
