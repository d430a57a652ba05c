"""What checking a proof can come to.  The words that all methods share.

A method is a pure function of the request and the stored credential.  It gets
``credential=None`` for a name that nobody has, does the same work, and fails, so that
time tells a guesser nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """What a subscriber's password is checked against, opened from its seal."""

    password: bytes  # the octets of its UTF-8
    nt_hash: bytes  # MD4 of its UTF-16LE (RFC 2759 §8.3), 16 octets
    nt_hash_hash: bytes  # MD4 of that (RFC 2759 §8.4), 16 octets


@dataclass(frozen=True, slots=True)
class Proven:
    """The right password.  `attributes` are octets to add to the Access-Accept."""

    method: str
    attributes: bytes = b""


@dataclass(frozen=True, slots=True)
class Failed:
    """No proof.  `reason` is for staff; `attributes` are octets for the Access-Reject.

    `acknowledges`: the peer only confirms a failure that a challenge told it before, so it
    is no guess and no decision of its own.
    """

    method: str
    reason: str  # "password" | "no-proof" | "two-proofs" | "malformed" | "unsupported" | "expired"
    attributes: bytes = b""
    acknowledges: bool = False


@dataclass(frozen=True, slots=True)
class Challenged:
    """Not yet: send an Access-Challenge with these attributes (State among them).

    `reason` is "password" where the challenge already tells the peer that its proof was
    wrong (EAP-MSCHAPv2 says so before the reject): count, record and delay it here as a
    reject, because a guesser need not wait for that.
    """

    method: str
    attributes: bytes
    reason: str = ""


Outcome = Proven | Failed | Challenged
