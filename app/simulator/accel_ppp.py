"""accel-ppp as a NAS: PPPoE (after its C source).

Its shaper reads Filter-Id as ``download/upload`` in kbit/s, with the suffix G that
multiplies by ten times too much.  A CoA is worked off in a fixed order: the shaper, then
Class, then Session-Timeout, and it stops at the first of the latter two; what it does not
know it acknowledges.  A shaper that it cannot read is a NAK without Error-Cause.

It has no filters: a walled garden is an address pool, and from a pool that it does not
know nobody gets an address.
"""

import re
from dataclasses import replace
from typing import Final

from app.simulator import wire
from app.simulator.login import Method
from app.simulator.personality import (
    SESSION_NOT_FOUND,
    VIRTUAL,
    Box,
    Line,
    Personality,
    Refusal,
    mac,
)
from app.simulator.service import Rates, Service, Unusable, standard
from app.simulator.wire import Fields
from core.radius.types import (
    CALLED_STATION_ID,
    CALLING_STATION_ID,
    CLASS,
    NAS_PORT,
    NAS_PORT_ID,
    NAS_PORT_TYPE,
    SERVICE_TYPE,
    SESSION_TIMEOUT,
    USER_NAME,
)

_SPEED: Final = re.compile(r"(\d+)([BKMGbkmg]?)")
# kbit/s for each; bits become kbit, and of G its source has one zero too many.
_KBIT: Final = {"": 1.0, "b": 0.001, "k": 1.0, "m": 1e3, "g": 1e7}


def rates_of(shaper: str) -> Rates | None:
    """`down/up`, `both`, or either with a time range before a comma; None if unreadable.
    Speed 0 is no limit."""
    speeds = []
    down, separator, up = (
        re.sub(r"^\d+,", "", shaper.strip()).replace("\\", "/").replace(":", "/").partition("/")
    )
    for written in (down, up if separator else down):
        found = _SPEED.fullmatch(written)
        if found is None:
            return None
        speeds.append(int(int(found[1]) * _KBIT[found[2].lower()] * 1000) or None)
    return Rates(download_bps=speeds[0], upload_bps=speeds[1])


def read(accept: Fields, box: Box) -> Service:
    service = standard(accept)
    if service.pool and not service.framed_ip and not box.knows(service.pool):
        raise Unusable(f"no pool is called {service.pool!r}")
    shaper = accept.text(wire.FILTER_ID)
    # At login an unreadable shaper is only a line in its log.
    rates = rates_of(shaper) if shaper is not None else None
    return replace(service, rates=rates or Rates(), user_name=accept.text(USER_NAME) or "")


def change(asked: Fields, service: Service, box: Box) -> Service | Refusal:
    del box
    shaper = asked.text(wire.FILTER_ID)
    if shaper is not None:
        rates = rates_of(shaper)
        if rates is None:
            return Refusal(None)
        service = replace(service, rates=rates)
    if CLASS in asked:
        return replace(service, classes=tuple(asked.all(CLASS)))
    timeout_s = asked.number(SESSION_TIMEOUT)
    return replace(service, session_timeout_s=timeout_s) if timeout_s else service


def describe(line: Line) -> bytes:
    return (
        wire.number(SERVICE_TYPE, 2)
        + wire.number(wire.FRAMED_PROTOCOL, 1)
        + wire.number(NAS_PORT, line.port)
        + wire.number(NAS_PORT_TYPE, VIRTUAL)
        + wire.text(NAS_PORT_ID, f"ppp{line.port}")
        + wire.text(CALLING_STATION_ID, mac(line.subscriber.station, ":"))
        + wire.text(CALLED_STATION_ID, "vlan100")
    )


PERSONALITY: Final = Personality(
    name="accel-ppp",
    describe=describe,
    read=read,
    change=change,
    session_id=lambda _, boots, count: f"{boots:08x}{count:08x}",
    methods=(Method.MSCHAPV2, Method.CHAP, Method.PAP),
    resend_after_s=3.0,
    record_sends=5,
    session_id_at_login=False,
    counters_in_start=True,
    drops_unaccounted=True,
    without_identity=SESSION_NOT_FOUND,
    checks_nas=True,
    strict_disconnect=False,
)
