"""A service in six hex digits: what a login was given is known from its Class.

The last three octets of the nonce in our Class are a digest of the service that the
Access-Accept gave, so nobody has to store it, or to ask for it, to see that a session has
something else than it should have.  Of the vendor-neutral service, personal addresses
included; Session-Timeout and limits depend on the moment and are left out, so is what a NAS
cannot be told in mid-session (extra reply attributes, addresses of pools of ours).

Only what differs from a profile's defaults counts: a field that a later version adds
changes no session's print until somebody uses it.
"""

from dataclasses import fields
from hashlib import blake2b
from typing import Final

from nas_adapters.profile import ServiceProfile

DIGITS: Final = 6
NONCE_DIGITS: Final = 16  # in a Class of ours: the others are chance

# Of the first digit: so that a session is known to be in the garden even if the garden has
# been rebuilt since.  Who was let in before there were prints has digits by chance.
_KINDS: Final = {"plan": 0, "throttled": 1, "garden": 2}
_BITS: Final = 22
_OF_THE_MOMENT: Final = frozenset(
    {"session_timeout_s", "limit_octets", "limit_download_octets", "limit_upload_octets"}
)
_FIELDS: Final = tuple(
    (field.name, field.default)
    for field in fields(ServiceProfile)
    if field.name not in _OF_THE_MOMENT
)


def print_of(profile: ServiceProfile, service: str) -> str:
    """`service` is what of a plan this is: plan, throttled or garden."""
    said = ",".join(
        [
            f"{name}={value}"
            for name, default in _FIELDS
            if (value := getattr(profile, name)) != default
        ]
    )
    digest = int.from_bytes(blake2b(said.encode(), digest_size=4).digest(), "big")
    return f"{(_KINDS[service] << _BITS) | (digest & ((1 << _BITS) - 1)):06x}"


def given_at_login(nonce: str) -> str:
    """The print that a session's nonce carries; empty: its NAS does not return our Class."""
    return nonce[-DIGITS:] if len(nonce) == NONCE_DIGITS else ""


def is_garden(fingerprint: str) -> bool:
    """Whether it is the print of a confined session."""
    return bool(fingerprint) and int(fingerprint, 16) >> _BITS == _KINDS["garden"]
