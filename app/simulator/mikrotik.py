"""MikroTik RouterOS as a NAS: PPPoE server and hotspot (vendor 14988; vendor docs unless marked).

The rate is one line from the router's side, so its first number is the upload.  By CoA it
changes rate, limits of one direction, filters and times, and nothing of the address: asked
for a pool or a route it refuses (Error-Cause unconfirmed).  An Address-List is not on the
official list, but reported to work, so it does here; Total-Limit, Class and
Acct-Interim-Interval are not either, and are acknowledged without effect (a choice: it is
what an enforcement must survive).
"""

import re
from dataclasses import replace
from typing import Final

from app.simulator import wire
from app.simulator.login import Method
from app.simulator.personality import (
    ETHERNET,
    INVALID_VALUE,
    UNSUPPORTED_ATTRIBUTE,
    WIRELESS,
    Box,
    Line,
    Personality,
    Refusal,
    mac,
)
from app.simulator.service import Limits, Rates, Service, Unusable, standard
from app.simulator.wire import Fields, Key
from core.radius.types import (
    ACCT_SESSION_ID,
    CALLED_STATION_ID,
    CALLING_STATION_ID,
    FRAMED_IP_ADDRESS,
    NAS_PORT,
    NAS_PORT_ID,
    NAS_PORT_TYPE,
    SERVICE_TYPE,
    SESSION_TIMEOUT,
    USER_NAME,
)

MIKROTIK: Final = 14988
RECV_LIMIT, XMIT_LIMIT, TOTAL_LIMIT = (MIKROTIK, 1), (MIKROTIK, 2), (MIKROTIK, 17)
GIGAWORDS: Final = {RECV_LIMIT: (MIKROTIK, 14), XMIT_LIMIT: (MIKROTIK, 15)} | {
    TOTAL_LIMIT: (MIKROTIK, 18)
}
RATE_LIMIT, HOST_IP, ADDRESS_LIST = (MIKROTIK, 8), (MIKROTIK, 10), (MIKROTIK, 19)
REDIRECTION_URL: Final = (wire.WISPR, 4)
DELEGATED_IPV6_PREFIX_POOL: Final = 171

# What a session cannot get without being made anew.
UNCHANGEABLE: Final[frozenset[Key]] = frozenset(
    (
        wire.FRAMED_POOL,
        wire.FRAMED_ROUTE,
        wire.FRAMED_IP_NETMASK,
        wire.FRAMED_IPV6_PREFIX,
        wire.DELEGATED_IPV6_PREFIX,
        DELEGATED_IPV6_PREFIX_POOL,
        (MIKROTIK, 22),
    )
)
_RATE: Final = re.compile(r"(\d+)([kMG]?)")
_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def rates_of(line: str) -> Rates | None:
    """`5M/20M 10M/40M ...` or `5M`; None if it is neither.  0 is no limit (unconfirmed)."""
    first = line.split(" ")[0]
    received, _, sent = first.partition("/")
    speeds = []
    for written in (received, sent or received):
        found = _RATE.fullmatch(written)
        if found is None:
            return None
        speeds.append(int(found[1]) * _UNITS[found[2]] or None)
    return Rates(upload_bps=speeds[0], download_bps=speeds[1])


def _limit(said: Fields, key: tuple[int, int], before: int | None = None) -> int | None:
    low = said.number(key)
    if low is None:
        return before
    return (said.number(GIGAWORDS[key]) or 0) << 32 | low or None


def read(accept: Fields, box: Box) -> Service:
    del box
    line = accept.text(RATE_LIMIT)
    rates = Rates() if line is None else rates_of(line)
    if rates is None:
        raise Unusable(f"Mikrotik-Rate-Limit {line!r}")
    return replace(
        standard(accept),
        rates=rates,
        limits=Limits(
            download_octets=_limit(accept, XMIT_LIMIT),
            upload_octets=_limit(accept, RECV_LIMIT),
            total_octets=_limit(accept, TOTAL_LIMIT),
        ),
        filters=(*accept.texts(ADDRESS_LIST), *accept.texts(wire.FILTER_ID)),
    )


def read_hotspot(accept: Fields, box: Box) -> Service:
    """A redirection works for hotspot logins only."""
    return replace(read(accept, box), redirect=accept.text(REDIRECTION_URL) or "")


def change(asked: Fields, service: Service, box: Box) -> Service | Refusal:
    del box
    if not UNCHANGEABLE.isdisjoint(asked.keys):
        return Refusal(UNSUPPORTED_ATTRIBUTE)
    rates = service.rates
    line = asked.text(RATE_LIMIT)
    if line is not None:
        changed = rates_of(line)
        if changed is None:
            return Refusal(INVALID_VALUE)
        rates = changed
    filters = (*asked.texts(ADDRESS_LIST), *asked.texts(wire.FILTER_ID))
    return replace(
        service,
        rates=rates,
        limits=replace(
            service.limits,
            download_octets=_limit(asked, XMIT_LIMIT, service.limits.download_octets),
            upload_octets=_limit(asked, RECV_LIMIT, service.limits.upload_octets),
        ),
        filters=filters or service.filters,
        session_timeout_s=asked.number(SESSION_TIMEOUT) or service.session_timeout_s,
    )


def describe_pppoe(line: Line) -> bytes:
    return (
        wire.number(SERVICE_TYPE, 2)
        + wire.number(wire.FRAMED_PROTOCOL, 1)
        + wire.number(NAS_PORT, 0xF00000 + line.port)
        + wire.number(NAS_PORT_TYPE, ETHERNET)
        + wire.text(CALLING_STATION_ID, mac(line.subscriber.station, ":", upper=True))
        + wire.text(CALLED_STATION_ID, "service1")
        + wire.text(NAS_PORT_ID, "bridge1")
    )


def describe_hotspot(line: Line) -> bytes:
    return (
        wire.number(SERVICE_TYPE, 1)
        + wire.number(NAS_PORT, 0x80000000 + line.port)
        + wire.number(NAS_PORT_TYPE, WIRELESS)
        + wire.text(CALLING_STATION_ID, mac(line.subscriber.station, ":", upper=True))
        + wire.text(CALLED_STATION_ID, "hotspot1")
        + wire.text(NAS_PORT_ID, "bridge-hotspot")
        + (wire.address(HOST_IP, line.framed_ip) if line.framed_ip else b"")
        + wire.text((wire.WISPR, 3), "http://10.5.50.1/logout")
    )


def _session_id(service: str, boots: int, count: int) -> str:
    """Two digits of the service, one of the boot, the rest counts: it comes round."""
    return f"{service}{boots % 16:x}{count % 0x100000:05x}"


PPPOE: Final = Personality(
    name="mikrotik-pppoe",
    describe=describe_pppoe,
    read=read,
    change=change,
    session_id=lambda _, boots, count: _session_id("81", boots, count),
    methods=(Method.MSCHAPV2, Method.CHAP, Method.PAP),
    resend_after_s=1.1,
    signs_requests=True,  # since 7.15
    demands_signature=True,
    event_timestamps=True,  # current builds (unconfirmed)
    delay_times=True,
    accounting_on=False,  # many builds (unconfirmed)
    identified_by=frozenset((USER_NAME, ACCT_SESSION_ID, FRAMED_IP_ADDRESS, CALLING_STATION_ID)),
)

HOTSPOT: Final = replace(
    PPPOE,
    name="mikrotik-hotspot",
    describe=describe_hotspot,
    read=read_hotspot,
    session_id=lambda _, boots, count: _session_id("80", boots, count),
    methods=(Method.CHAP, Method.PAP),
    address_at_login=True,
    needs=frozenset((USER_NAME, FRAMED_IP_ADDRESS)),
)
