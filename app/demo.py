"""The demo ISP as data, in the form of a manifest, and how to try it.

Every kind of subscriber that a first look should meet.  Its one NAS is this machine, and
no other, because its secret and passwords are known to everybody.
"""

from typing import Final

SECRET: Final = "turnpike-demo-secret"  # noqa: S105 - known to everybody, for 127.0.0.1 alone
PASSWORD: Final = "demo-password"  # noqa: S105 - likewise
TENANT: Final = "demo-isp"
FIRST_USERNAME: Final = "home-01"
STATION: Final = "02-00-5E-10-00-07"  # one device, so that pasting twice is a redial

_Entry = dict[str, object]


def _subscriber(username: str, plan: str, **more: object) -> _Entry:
    return {"username": username, "password": PASSWORD, "plan": plan} | more


_HOMES = [_subscriber(f"home-{n:02}", "home-50") for n in range(1, 7)]
_FAST_HOMES = [_subscriber(f"fast-{n:02}", "home-200") for n in range(1, 5)]
_GUESTS = [_subscriber(f"guest-{n:02}", "hotspot-1h") for n in range(1, 4)]
_SPECIAL = [
    _subscriber("suspended", "home-50", status="suspended"),
    _subscriber("walled-garden", "home-50", status="suspended", when_suspended="walled_garden"),
    _subscriber("expired", "home-50", expires_at="2024-01-01T00:00:00Z"),
    _subscriber("ends-2099", "home-200", expires_at="2099-01-01T00:00:00Z"),
    _subscriber("bound-to-nas", "home-50", bind_nas=["local"]),
    _subscriber("bound-to-mac", "home-50", bind_mac=["02:00:5e:10:00:01"]),
    _subscriber(
        "static",
        "home-200",
        static_ipv4="203.0.113.9",
        static_ipv6_prefix="2001:db8:1:42::/64",
        delegated_ipv6="2001:db8:4200::/56",
        reply={"Reply-Message": "Welcome", "Class": "0x00ff10"},
    ),
]

# Who is online during the demo's day; the first name is left to whoever pastes the line.
BUSY: Final = [
    str(one["username"])
    for one in (*_HOMES, *_FAST_HOMES, *_GUESTS)
    if one["username"] != FIRST_USERNAME
]

DOCUMENT: Final[_Entry] = {
    "tenant": TENANT,
    "nas": [{"name": "local", "address": "127.0.0.1/32", "secret": SECRET, "vendor": "mikrotik"}],
    "plan": [
        {
            "code": "home-50",
            "download": "50M",
            "upload": "20M",
            "burst": {"download": "80M", "upload": "30M", "threshold": "40M", "time_s": 16},
            "session_limit": 1,
            "session_timeout_s": 86400,
            "interim_s": 300,
            "address_pool": "pool-a",
        },
        {
            "code": "home-200",
            "download": "200M",
            "upload": "100M",
            "session_limit": 2,
            "at_limit": "kick_oldest",
            "session_timeout_s": 86400,
            "address_pool": "pool-b",
        },
        {
            "code": "hotspot-1h",
            "download": "5M",
            "upload": "1M",
            "session_limit": 1,
            "session_timeout_s": 3600,
            "interim_s": 60,
        },
    ],
    "subscriber": [*_HOMES, *_FAST_HOMES, *_GUESTS, *_SPECIAL],
}


def invitation(auth: str, web: str) -> str:
    """What to paste; `auth` and `web` are HOST:PORT as they were bound."""
    attributes = (
        f'User-Name = "{FIRST_USERNAME}", User-Password = "{PASSWORD}",'
        f' Calling-Station-Id = "{STATION}", Message-Authenticator = 0x00'
    )
    return (
        f"panel       will be at http://{reachable(web)}/ (there now: /healthz, /metrics)\n"
        f"nas secret  {SECRET} (for packets from 127.0.0.1)\n"
        "try         a login, in another shell:\n"
        f"  echo '{attributes}' | radclient -x {reachable(auth)} auth {SECRET}\n"
        f"see         {len(BUSY)} subscribers are online at a simulated NAS;"
        " their last day comes in within a minute:\n"
        "  turnpike session list; turnpike usage fast-01"
    )


def reachable(place: str) -> str:
    """The demo's NAS is 127.0.0.1: whoever listens everywhere is reached there."""
    host, _, port = place.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]") else place  # noqa: S104
