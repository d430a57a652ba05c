"""Huawei NE40E, ME60, NE8000 as a NAS: PPPoE (vendor 2011, BNG numbers; vendor docs unless marked).

The rate is the peak one, or the committed one where none is said; a peak without a
committed rate counts for nothing, and a committed rate of 0 is no limit.  A user group, a
domain or a QoS profile that does not stand on the box is NAK 404 in a CoA, and a QoS
profile in an Accept ends the login.  Counters can be in larger units (`Box.octet_unit`).
A CoA finds the session by Acct-Session-Id and by nothing else (third-party code only).
"""

from dataclasses import replace
from typing import Final

from app.simulator import wire
from app.simulator.login import Method
from app.simulator.personality import (
    ETHERNET,
    INVALID_REQUEST,
    UNSUPPORTED_ATTRIBUTE,
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
    CALLING_STATION_ID,
    FRAMED_IP_ADDRESS,
    NAS_PORT,
    NAS_PORT_ID,
    NAS_PORT_TYPE,
    SERVICE_TYPE,
    SESSION_TIMEOUT,
    USER_NAME,
)

HUAWEI: Final = 2011
INPUT, OUTPUT = ((HUAWEI, 2), (HUAWEI, 3)), ((HUAWEI, 5), (HUAWEI, 6))  # committed, peak
REMANENT_VOLUME, PORTAL_URL = (HUAWEI, 15), (HUAWEI, 27)
QOS_PROFILE, IP_HOST_ADDRESS, DOMAIN = (HUAWEI, 31), (HUAWEI, 60), (HUAWEI, 138)
VOLUME_UNIT: Final = 1024  # KB (unconfirmed)
NO_VOLUME: Final = 2**32 - 1  # is no limit
_UNCHANGEABLE: Final[frozenset[Key]] = frozenset(
    (wire.FRAMED_POOL, wire.FRAMED_ROUTE, wire.FRAMED_IP_NETMASK, (HUAWEI, 88), (HUAWEI, 157))
)
SLOT, PORT, OUTER_VLAN = 2, 3, 200


def read(accept: Fields, box: Box) -> Service:
    profile = accept.text(QOS_PROFILE)
    if profile is not None and not box.knows(profile):
        raise Unusable(f"no QoS profile is called {profile!r}")
    return _told(accept, replace(standard(accept), base=Rates()), box)


def change(asked: Fields, service: Service, box: Box) -> Service | Refusal:
    if not _UNCHANGEABLE.isdisjoint(asked.keys):
        return Refusal(UNSUPPORTED_ATTRIBUTE)
    for key in (wire.FILTER_ID, QOS_PROFILE, DOMAIN):
        for name in asked.texts(key):
            if not box.knows(name):
                return Refusal(INVALID_REQUEST)
    timeout_s = asked.number(SESSION_TIMEOUT) or service.session_timeout_s
    return _told(asked, replace(service, session_timeout_s=timeout_s), box)


def _told(said: Fields, service: Service, box: Box) -> Service:
    volume = said.number(REMANENT_VOLUME)
    limits = service.limits
    if volume is not None:
        limits = Limits(total_octets=None if volume == NO_VOLUME else volume * VOLUME_UNIT)
    base = Rates(
        upload_bps=_rate(said, INPUT, service.base.upload_bps),
        download_bps=_rate(said, OUTPUT, service.base.download_bps),
    )
    names = tuple(said.texts(QOS_PROFILE)) + tuple(said.texts(DOMAIN)) or service.services
    rates = base
    for name in names:
        rates = box.services.get(name, rates)
    return replace(
        service,
        base=base,
        rates=rates,
        limits=limits,
        filters=tuple(said.texts(wire.FILTER_ID)) or service.filters,
        services=names,
        redirect=said.text(PORTAL_URL) or service.redirect,
    )


def _rate(said: Fields, keys: tuple[tuple[int, int], ...], before: int | None) -> int | None:
    committed, peak = (said.number(key) for key in keys)
    if committed is None:
        return before
    return max(committed, peak or 0) or None


def describe(line: Line) -> bytes:
    inner = 1 + line.port % 4094
    station = line.subscriber.station
    return (
        wire.number(SERVICE_TYPE, 2)
        + wire.number(wire.FRAMED_PROTOCOL, 1)
        + wire.number(NAS_PORT, SLOT << 24 | PORT << 12 | inner)
        + wire.number(NAS_PORT_TYPE, ETHERNET)
        + wire.text(
            NAS_PORT_ID,
            f"slot={SLOT};subslot=0;port={PORT};vlanid={OUTER_VLAN};vlanid2={inner};",
        )
        + wire.text(CALLING_STATION_ID, mac(station, "-", 4))
        + wire.text(IP_HOST_ADDRESS, f"{line.framed_ip or '255.255.255.255'} {mac(station, ':')}")
    )


PERSONALITY: Final = Personality(
    name="huawei",
    describe=describe,
    read=read,
    change=change,
    session_id=lambda name, boots, count: (
        f"{name[:8].upper()}0{SLOT}000{PORT}{boots:04x}{count:06x}"
    ),
    methods=(Method.CHAP, Method.PAP, Method.MSCHAPV2),
    resend_after_s=5.0,
    event_timestamps=True,
    identified_by=frozenset((ACCT_SESSION_ID, USER_NAME, FRAMED_IP_ADDRESS)),
    needs=frozenset((ACCT_SESSION_ID,)),
)
