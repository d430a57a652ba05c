"""How a box is reached other than by RADIUS: its API, and SNMP.  What an operator says of it.

Pure.  Secrets are no part of a spec, so that none can be shown with it; `Access` is a spec
made ready to be used: the host resolved, the port filled in, the secret open.
"""

from dataclasses import dataclass
from typing import Final

from core.secret import Secret

ROUTEROS: Final = "routeros"
UNIFI: Final = "unifi"
API_KINDS: Final = (ROUTEROS, UNIFI)
SNMP: Final = "snmp"
SNMP_PORT: Final = 161

AUTHENTICATIONS: Final = ("sha", "sha224", "sha256", "sha384", "sha512", "md5")
PRIVACIES: Final = ("aes128", "aes192", "aes256", "des")

OLTS: Final = ("huawei", "zte_c300", "zte_c600", "vsol", "bdcom", "cdata")


@dataclass(frozen=True, slots=True)
class ApiSpec:
    """The API of a router, or the controller that speaks for it."""

    kind: str  # of API_KINDS
    username: str
    address: str = ""  # "": the NAS's own
    port: int | None = None  # None: the kind's
    tls: bool = True  # plain only when somebody asked for it
    fingerprint: str = ""  # SHA-256 of the certificate, in hex; "": one that the system trusts
    site: str = ""  # of a UniFi controller; "": default


@dataclass(frozen=True, slots=True)
class SnmpSpec:
    """SNMP v2c with a community, or v3 with a name, both its messages proven and hidden."""

    version: str = "2c"  # | "3"
    address: str = ""  # "": the NAS's own
    port: int | None = None  # None: 161
    username: str = ""
    auth: str = "sha256"
    privacy: str = "aes128"
    olt: str = ""  # of OLTS, if it is one


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """All that a connection needs."""

    nas: str
    host: str
    port: int
    username: str
    password: Secret
    tls: bool = True
    fingerprint: str = ""
    site: str = "default"


@dataclass(frozen=True, slots=True)
class SnmpAccess:
    """All that a request needs."""

    nas: str
    host: str
    port: int
    version: str
    community: Secret | None = None
    username: str = ""
    auth: str = "sha256"
    auth_key: Secret | None = None
    privacy: str = "aes128"
    privacy_key: Secret | None = None


def port_of(kind: str, *, tls: bool) -> int:
    """Where an API listens unless told otherwise; of a UniFi controller, that of UniFi OS."""
    if kind == ROUTEROS:
        return 8729 if tls else 8728
    return 443


def fingerprint(written: str) -> str | None:
    """64 hex digits for a SHA-256 however it is written; None if it is none."""
    digits = written.replace(":", "").replace(" ", "").lower()
    if len(digits) != 64 or any(digit not in "0123456789abcdef" for digit in digits):
        return None
    return digits
