"""Who subscribes in a bench: names, passwords, addresses and the one plan they all have.

Every server is loaded from here and every request is made from here, so that all of them
answer the same questions with the same kind of answer.  Knows no server and no packet.
"""

from dataclasses import dataclass

SECRET = "bench-secret-7hJ2"
NASES = 32  # logins come from the first, accounting from all of them


def nas_name(box: int) -> str:
    return f"bras-{box + 1}"


def nas_address(box: int) -> str:
    return f"127.0.0.{box + 1}"


NAS_NAME = nas_name(0)
NAS_ADDRESS = nas_address(0)

# The plan, in the words of `turnpike apply` and of the attributes it comes to.
PLAN = "home-50"
DOWNLOAD_BPS = 50_000_000
UPLOAD_BPS = 20_000_000
MIKROTIK_RATE_LIMIT = "20M/50M"  # upload/download: the NAS's receive comes first
ADDRESS_POOL = "pool-a"
SESSION_TIMEOUT_S = 86_400
INTERIM_S = 300


@dataclass(frozen=True, slots=True)
class Subscriber:
    number: int
    name: str
    password: str


def subscriber(number: int) -> Subscriber:
    return Subscriber(number, f"user{number:07d}", f"pw{number * 2654435761 % 2**32:010d}")


def mac(number: int) -> str:
    """The subscriber's own locally administered address, as a MikroTik writes it."""
    octets = (0x02_00_5E << 24 | number).to_bytes(6, "big")
    return ":".join(f"{octet:02X}" for octet in octets)


def class_octets(number: int) -> bytes:
    """19 octets, as long as what Turnpike puts there: a mark, an id and a nonce."""
    return (
        b"ai:"
        + number.to_bytes(8, "big")
        + (number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big")
    )
