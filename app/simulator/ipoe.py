"""A plain IPoE box: DHCP with Option 82, no password, and what the RFCs say (a choice, no make's).

The line is told by the attributes of RFC 4679, the subscriber is called by what his entry
says, often his MAC address, with the same for a password.  Rates are WISPr's, a filter is
Filter-Id, a redirect WISPr's.  In a CoA what it does not know is NAK 401 (RFC 5176 §3.5),
and a Disconnect may hold nothing but identification.
"""

from dataclasses import replace
from typing import Final

from app.simulator import wire
from app.simulator.login import Method
from app.simulator.personality import (
    ETHERNET,
    IDENTIFICATION,
    UNSUPPORTED_ATTRIBUTE,
    Box,
    Line,
    Personality,
    Refusal,
    mac,
)
from app.simulator.service import Rates, Service, standard
from app.simulator.wire import Fields, Key
from core.radius.types import (
    ACCT_INTERIM_INTERVAL,
    CALLED_STATION_ID,
    CALLING_STATION_ID,
    CLASS,
    MESSAGE_AUTHENTICATOR,
    NAS_IDENTIFIER,
    NAS_IP_ADDRESS,
    NAS_PORT,
    NAS_PORT_ID,
    NAS_PORT_TYPE,
    PROXY_STATE,
    SERVICE_TYPE,
    SESSION_TIMEOUT,
)

CIRCUIT_ID, REMOTE_ID = (wire.ADSL_FORUM, 1), (wire.ADSL_FORUM, 2)
REDIRECTION_URL, MAX_UP, MAX_DOWN = (wire.WISPR, 4), (wire.WISPR, 7), (wire.WISPR, 8)
_KNOWN: Final[frozenset[Key]] = IDENTIFICATION | frozenset[Key](
    (
        NAS_IP_ADDRESS, NAS_IDENTIFIER, MESSAGE_AUTHENTICATOR, PROXY_STATE, wire.EVENT_TIMESTAMP,
        MAX_UP, MAX_DOWN, REDIRECTION_URL, wire.FILTER_ID, SESSION_TIMEOUT, wire.IDLE_TIMEOUT,
        ACCT_INTERIM_INTERVAL, CLASS,
    )
)  # fmt: skip


def read(accept: Fields, box: Box) -> Service:
    del box
    return _told(accept, standard(accept))


def change(asked: Fields, service: Service, box: Box) -> Service | Refusal:
    del box
    if not asked.keys <= _KNOWN:
        return Refusal(UNSUPPORTED_ATTRIBUTE)
    return _told(
        asked,
        replace(
            service,
            session_timeout_s=asked.number(SESSION_TIMEOUT) or service.session_timeout_s,
            interim_s=asked.number(ACCT_INTERIM_INTERVAL) or service.interim_s,
            classes=tuple(asked.all(CLASS)) or service.classes,
        ),
    )


def _told(said: Fields, service: Service) -> Service:
    return replace(
        service,
        rates=Rates(
            upload_bps=said.number(MAX_UP) or service.rates.upload_bps,
            download_bps=said.number(MAX_DOWN) or service.rates.download_bps,
        ),
        filters=tuple(said.texts(wire.FILTER_ID)) or service.filters,
        redirect=said.text(REDIRECTION_URL) or service.redirect,
    )


def describe(line: Line) -> bytes:
    return (
        wire.number(SERVICE_TYPE, 2)
        + wire.number(NAS_PORT, line.port)
        + wire.number(NAS_PORT_TYPE, ETHERNET)
        + wire.text(NAS_PORT_ID, f"{line.box.name} eth 0/{line.port}")
        + wire.text(CALLING_STATION_ID, mac(line.subscriber.station, "-", upper=True))
        + wire.text(CALLED_STATION_ID, "dhcp1")
        + wire.text(CIRCUIT_ID, line.subscriber.circuit_id)
        + wire.text(REMOTE_ID, line.subscriber.remote_id)
    )


PERSONALITY: Final = Personality(
    name="ipoe",
    describe=describe,
    read=read,
    change=change,
    session_id=lambda name, boots, count: f"{name}-{boots:x}-{count:x}",
    methods=(Method.PAP, Method.NONE),
    signs_requests=True,
    address_at_login=True,
    event_timestamps=True,
)
