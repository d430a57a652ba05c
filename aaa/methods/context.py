"""What a method is given beside the request and the credential, and what they share.

Made once a login, so it is a plain tuple of names.
"""

from collections.abc import Callable
from typing import NamedTuple

from aaa.methods.outcome import Credential
from core.secret import Vault


class ProofContext(NamedTuple):
    """The NAS that asks, the moment, and a source of chance."""

    secret: bytes  # shared with this NAS
    random: Callable[[int], bytes]
    now_s: float  # since 1970: nodes share the EAP states that carry it
    vault: Vault  # seals EAP states; its key lies with every worker that may get the answer
    nas: bytes = b""  # tells NASes with one secret apart, if the caller can


# Checked against for a name that nobody has, so that the work is the same.  A match proves
# nothing: every method asks for a real credential too.  The octets were drawn at random.
NOBODY = Credential(
    password=bytes.fromhex("9f1f4b7ed2a6473c8f0b5b3de37c61a2"),
    nt_hash=bytes.fromhex("c13a97f20d5e4b8fa6640a7be1f83d25"),
    nt_hash_hash=bytes.fromhex("7be0458d92c64ef1b1a3f60c5d28e974"),
)
