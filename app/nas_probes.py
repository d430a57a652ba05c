"""Trying one way into one box, and what came of it in words for a person.

Each probe asks the least that proves the way, changes nothing, ends in time, and never
raises what the box or the network did: that is its finding.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from app.nas_findings import Finding, State
from core.clock import Clock
from core.radius.exchange import RetryPolicy
from dictionaries.definitions import Dictionary
from nas_adapters import error_cause, snmp, snmp_system
from nas_adapters.actives import Comparison, compare
from nas_adapters.api import Health, NasApi
from nas_adapters.api_access import ApiAccess, SnmpAccess
from nas_adapters.apis import CONNECT
from nas_adapters.base import SessionRef, Unchangeable, Vendor
from nas_adapters.coa import Acked, CoaClient, CoaTarget, Ignored, Naked, Silent
from nas_adapters.olt import reading
from nas_adapters.olt.onu import State as OnuState
from nas_adapters.trouble import NasTrouble

# Sends at once, after 1 s and after 3 s, and gives up 4 s later: a person is waiting.
COA_POLICY: Final = RetryPolicy(irt_s=1.0)
SESSION_CONTEXT_NOT_FOUND: Final = 503
NAMES_TOLD: Final = 5


async def coa(
    dictionary: Dictionary, clock: Clock, target: CoaTarget, vendor: Vendor, nonce: str
) -> Finding:
    """Ask to end a session that cannot be: whoever proves its refusal listens and has our secret.

    `nonce` is in the session's id and name, so that there is none of them.
    """
    if not vendor.abilities.can_disconnect:
        return Finding("coa", State.UNKNOWN, f"{vendor.name} takes no Disconnect-Request")
    nobody = SessionRef(
        acct_session_id=nonce,
        user_name=f"turnpike-check-{nonce}",
        calling_station="00-00-5E-00-53-00",  # for documentation (RFC 9542 §2.1.2)
    )
    step = vendor.disconnect(nobody)
    if isinstance(step, Unchangeable):
        return Finding("coa", State.UNKNOWN, f"no probe for {vendor.name}: {step.reason}")
    async with CoaClient(dictionary, clock, policy=COA_POLICY) as client:
        result = await client.send(target, step)
    where = f"port {target.port}"
    if isinstance(result, Acked):
        told = f"acknowledges at {where} to have ended a session that never was"
        return Finding("coa", State.OK, told, "believe no ACK of this box alone")
    if isinstance(result, Naked):
        told = f"answers at {where} in {result.rtt_s * 1000:.0f} ms"
        if result.error_cause == SESSION_CONTEXT_NOT_FOUND:
            return Finding("coa", State.OK, f"{told}: it knows no such session, as it should")
        return Finding("coa", State.OK, f"{told}: NAK {error_cause.shown(result.error_cause)}")
    if isinstance(result, Silent):
        return _silence(result, where, vendor)
    return Finding("coa", State.FAILS, result.reason, "correct the address of the NAS")


def _silence(result: Silent, where: str, vendor: Vendor) -> Finding:
    if result.ignored in (Ignored.AUTHENTICATOR, Ignored.SIGNATURE):
        return Finding(
            "coa",
            State.FAILS,
            f"answers at {where} with another secret",
            "make coa_secret what the NAS has for us",
        )
    if result.ignored is not None:
        told = f"sends no answer that counts ({result.ignored.value})"
        return Finding("coa", State.FAILS, f"{where}: {told}", "look at what else listens there")
    remedy = "let it listen there for our address, or correct coa_port"
    if vendor.name == "mikrotik":
        remedy += " (/radius incoming set accept=yes)"
    return Finding("coa", State.FAILS, f"no answer at {where} to {result.sends} requests", remedy)


async def api(kind: str, access: ApiAccess, ours: Collection[SessionRef]) -> tuple[Finding, ...]:
    """Log in, ask how it is, and compare who is online there with who is here."""
    try:
        async with CONNECT[kind](access) as box:
            found = Finding("api", State.OK, _health(await box.health()))
            return found, await _sessions(box, ours)
    except NasTrouble as trouble:
        return (_failed("api", trouble),)


async def _sessions(box: NasApi, ours: Collection[SessionRef]) -> Finding:
    try:
        theirs = await box.actives()
    except NasTrouble as trouble:
        return _failed("sessions", trouble)
    found = compare(ours, theirs)
    if found.is_equal:
        return Finding("sessions", State.OK, f"the same {len(theirs)} here and there")
    return Finding(
        "sessions",
        State.DIFFERS,
        _difference(found),
        "look again in a minute; what stays is a Start or a Stop that never came",
    )


async def agent(access: SnmpAccess, olt: str) -> tuple[Finding, ...]:
    """Ask who it is, and an OLT for its ONUs."""
    try:
        async with snmp.open_(access) as one:
            system = await snmp_system.system(one)
            up = "" if system.uptime_s is None else f", up {_uptime(system.uptime_s)}"
            found = Finding("snmp", State.OK, f"{system.name}: {system.description}{up}")
            return (found, await _onus(one, olt)) if olt else (found,)
    except NasTrouble as trouble:
        return (_failed("snmp", trouble),)


async def _onus(one: snmp.Agent, olt: str) -> Finding:
    dialect = reading.DIALECTS[olt]
    tried = f"tried on {dialect.tried}" if dialect.tried else "not tried on a device"
    try:
        found = await reading.onus(one, dialect)
    except NasTrouble as trouble:
        return _failed("olt", trouble)
    online = sum(onu.state is OnuState.ONLINE for onu in found)
    unread = sum(onu.serial is None or onu.state is OnuState.UNKNOWN for onu in found)
    told = f"{len(found)} ONUs, {online} online ({olt}, {tried})"
    if not unread:
        return Finding("olt", State.OK, told)
    return Finding(
        "olt",
        State.DIFFERS,
        f"{told}; {unread} of them without a serial or a state that we know",
        "compare one with the OLT's own list: its firmware may have other tables",
    )


def _failed(what: str, trouble: NasTrouble) -> Finding:
    return Finding(what, State.FAILS, trouble.cause, trouble.remedy)


def _health(health: Health) -> str:
    facts = [health.model, health.version]
    if health.uptime_s is not None:
        facts.append(f"up {_uptime(health.uptime_s)}")
    if health.cpu_percent is not None:
        facts.append(f"CPU {health.cpu_percent}%")
    return f"{health.name}: {', '.join(fact for fact in facts if fact)}"


def duration(span: timedelta) -> str:
    """`15d 3h`, `3h 4m`, `4m 5s`: two units are enough for a person."""
    left = max(int(span.total_seconds()), 0)
    parts: list[str] = []
    for letter, unit in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, unit)
        if count or parts or letter == "s":
            parts.append(f"{count}{letter}")
    return " ".join(parts[:2])


def _uptime(seconds: float) -> str:
    return duration(timedelta(seconds=seconds))


def _difference(found: Comparison) -> str:
    told = []
    for names, what in (
        ([one.user_name for one in found.missing_there], "open here and not online there"),
        ([one.name or one.calling_station for one in found.missing_here], "there and not here"),
        ([one.ours.user_name for one in found.moved], "with another address there"),
    ):
        if names:
            some = ", ".join(names[:NAMES_TOLD]) + (", …" if len(names) > NAMES_TOLD else "")
            told.append(f"{len(names)} {what} ({some})")
    return "; ".join(told)
