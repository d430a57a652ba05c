"""Why sessions end, by name: Acct-Terminate-Cause (RFC 2866 §5.10; 19 to 22: RFC 3580 §2.1)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NAMES: Final[Mapping[int, str]] = MappingProxyType(
    dict(
        enumerate(
            (
                "User-Request",
                "Lost-Carrier",
                "Lost-Service",
                "Idle-Timeout",
                "Session-Timeout",
                "Admin-Reset",
                "Admin-Reboot",
                "Port-Error",
                "NAS-Error",
                "NAS-Request",
                "NAS-Reboot",
                "Port-Unneeded",
                "Port-Preempted",
                "Port-Suspended",
                "Service-Unavailable",
                "Callback",
                "User-Error",
                "Host-Request",
                "Supplicant-Restart",
                "Reauthentication-Failure",
                "Port-Reinit",
                "Port-Disabled",
            ),
            start=1,
        )
    )
)


def name_of(cause: int) -> str | None:
    """The name, the number itself where it has none, or None for no cause at all."""
    if cause == 0:
        return None
    return NAMES.get(cause, str(cause))
