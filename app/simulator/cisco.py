"""Cisco ISG on IOS-XE as a NAS: PPPoE (vendor 9; mostly unconfirmed, see the marks).

Rates are the policer of Cisco-Account-Info ``QU;rate;burst;burst;D;rate;burst;burst``, in
the Accept and in a CoA.  Services that stand on the box (`Box.services`, with their rates)
start by ``A<service>`` at login, and by commands in a CoA; while one with a rate runs, it
counts (a choice).  Access lists come at login and not by CoA (a choice); neither does an
address.  Unknown services and commands are NAK 404 with a Reply-Message.

The session is named by Acct-Session-Id, by User-Name, or by Cisco-Account-Info ``S<address>``.
"""

from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from app.simulator import wire
from app.simulator.login import Method
from app.simulator.personality import (
    INVALID_REQUEST,
    INVALID_VALUE,
    UNSUPPORTED_ATTRIBUTE,
    Box,
    Line,
    Personality,
    Refusal,
    mac,
)
from app.simulator.service import Rates, Service, standard
from app.simulator.wire import Fields
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

CISCO: Final = 9
AVPAIR, ACCOUNT_INFO = (CISCO, 1), (CISCO, 250)
PPPOE_OVER_VLAN: Final = 33  # NAS-Port-Type
COMMANDS: Final = ("activate-service", "deactivate-service")
QUERIES: Final = ("account-status-query", "session-query")
_UNCHANGEABLE: Final = ("ip:addr-pool", "ip:inacl", "ip:outacl")


def policer(info: str) -> Rates | None:
    """`QU;rate;normal;extended;D;rate;normal;extended`, either direction alone too."""
    words, found = info[1:].split(";"), {}
    while words and words[0]:
        if words[0] not in ("U", "D") or len(words) < 2 or not words[1].isdecimal():
            return None
        found[words[0]] = int(words[1]) or None
        words = words[2:]
        while words and words[0].isdecimal():
            words = words[1:]
    return Rates(upload_bps=found.get("U"), download_bps=found.get("D")) if found else None


def read(accept: Fields, box: Box) -> Service:
    service = standard(accept)
    infos, pairs = accept.texts(ACCOUNT_INFO), _pairs(accept)
    started = tuple(info[1:] for info in infos if info.startswith("A") and box.knows(info[1:]))
    service = replace(
        service,
        base=_policed(infos) or Rates(),
        filters=tuple(
            value for name, value in pairs if name.split("#")[0] in ("ip:inacl", "ip:outacl")
        ),
        pool=dict(pairs).get("ip:addr-pool", service.pool),
    )
    return _running(service, started + _policies(pairs), box)


def change(asked: Fields, service: Service, box: Box) -> Service | Refusal:
    pairs, infos = _pairs(asked), asked.texts(ACCOUNT_INFO)
    names = dict(pairs)
    if wire.FRAMED_POOL in asked or any(name in names for name in _UNCHANGEABLE):
        return Refusal(UNSUPPORTED_ATTRIBUTE, "not in mid-session")
    if any(info.startswith("Q") for info in infos):
        rates = _policed(infos)
        if rates is None:
            return Refusal(INVALID_VALUE, "policer")
        service = replace(service, base=rates)
    running = service.services
    command = names.get("subscriber:command", "")
    if command in COMMANDS:
        wanted = names.get("subscriber:service-name", "")
        if not wanted or not box.knows(wanted):
            return Refusal(INVALID_REQUEST, f"service {wanted!r} not found")
        running = tuple(name for name in running if name != wanted)
        running += (wanted,) if command == COMMANDS[0] else ()
    elif command and command not in QUERIES:
        return Refusal(INVALID_REQUEST, f"command {command!r} not simulated")
    policies = _policies(pairs)
    if policies:
        running = tuple(name for name in running if name not in policies) + policies
    timeout_s = asked.number(SESSION_TIMEOUT) or service.session_timeout_s
    return _running(replace(service, session_timeout_s=timeout_s), running, box)


def selects(asked: Fields) -> dict[int, bytes]:
    """The session by its address: `S<address>`, with a port after a colon or without."""
    for info in asked.texts(ACCOUNT_INFO):
        if info.startswith("S"):
            try:
                return {FRAMED_IP_ADDRESS: IPv4Address(info[1:].partition(":")[0]).packed}
            except AddressValueError:
                return {FRAMED_IP_ADDRESS: b""}
    return {}


def _running(service: Service, names: tuple[str, ...], box: Box) -> Service:
    rates = service.base
    for name in names:
        rates = box.services.get(name, rates)
    return replace(service, services=names, rates=rates)


def _pairs(said: Fields) -> list[tuple[str, str]]:
    """`protocol:attribute=value`, or `*` in place of `=` where it is optional."""
    found = []
    for one in said.texts(AVPAIR):
        name, separator, value = one.partition("=")
        if not separator:
            name, _, value = one.partition("*")
        found.append((name.strip(), value.strip()))
    return found


def _policies(pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(v for name, v in pairs if name.startswith("subscriber:sub-qos-policy-"))
    )


def _policed(infos: list[str]) -> Rates | None:
    found = [policer(info) for info in infos if info.startswith("Q")]
    return found[-1] if found else None


def describe(line: Line) -> bytes:
    station = mac(line.subscriber.station, ".", 4)
    return (
        wire.number(SERVICE_TYPE, 2)
        + wire.number(wire.FRAMED_PROTOCOL, 1)
        + wire.number(NAS_PORT, line.port)
        + wire.number(NAS_PORT_TYPE, PPPOE_OVER_VLAN)
        + wire.text(NAS_PORT_ID, f"0/0/1/{100 + line.port % 3900}")
        + wire.text(CALLING_STATION_ID, station)
        + wire.text(AVPAIR, f"client-mac-address={station}")
    )


PERSONALITY: Final = Personality(
    name="cisco",
    describe=describe,
    read=read,
    change=change,
    session_id=lambda _, boots, count: f"{boots % 256:02X}{count % 0x1000000:06X}",
    methods=(Method.CHAP, Method.PAP, Method.MSCHAPV2),
    coa_port=1700,
    resend_after_s=5.0,
    login_sends=4,
    delay_times=True,
    accounting_on_session_id="00000000",
    identified_by=frozenset((ACCT_SESSION_ID, USER_NAME, FRAMED_IP_ADDRESS)),
    selects=selects,
    strict_disconnect=False,  # else Account-Info could not name a session
)
