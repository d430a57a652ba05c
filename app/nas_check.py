"""What of one box answers and what does not, each with its cause and remedy.

Everything that is configured is tried once, all at the same time, and after the transaction:
a box that keeps us waiting must not keep rows locked.  What is not configured is told, and
is no failure.  Nothing is changed there.
"""

import asyncio
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aaa import last_heard
from aaa.last_heard import LastHeard
from aaa.status import ClientStatus
from accounting import open_sessions
from app import nas_probes
from app.nas_findings import Finding, State
from core.clock import Clock
from core.db import Tx
from core.secret import CannotOpen, Vault
from dictionaries.definitions import Dictionary
from nas_adapters import api_registry, coa_targets, registry
from nas_adapters.api_access import SNMP, ApiSpec, SnmpSpec
from nas_adapters.api_registry import API, NoHost, StoredWay
from nas_adapters.base import SessionRef
from nas_adapters.registry import StoredNas
from nas_adapters.vendors import VENDORS

OTHER_SECRET = "bad-authenticator"  # noqa: S105 - as `core.radius.responder` counts it


@dataclass(frozen=True, slots=True)
class Box:
    """All that the database knows of a box and a check needs."""

    tenant_id: int
    nas: StoredNas
    ways: Mapping[str, StoredWay]
    heard: LastHeard
    sessions: Sequence[SessionRef]


async def load(tx: Tx, tenant_id: int, name: str, *, now: datetime) -> Box:
    """The box of this name.

    Raises:
        NasNotFound: there is none.
    """
    nas = await registry.get(tx, name)
    ways = await api_registry.of_all(tx, [nas.id])
    return Box(
        tenant_id,
        nas,
        {way: stored for (_, way), stored in ways.items()},
        await last_heard.of(tx, nas.id, now=now),
        await open_sessions.of_nas(tx, nas.id),
    )


async def check(
    box: Box,
    vault: Vault,
    dictionary: Dictionary,
    clients: Collection[ClientStatus],
    clock: Clock,
    *,
    nonce: str,
) -> list[Finding]:
    """Every finding, in the order in which the ways matter.

    `clients` is what the login workers of this node say of the box.
    """
    probes: list[Awaitable[tuple[Finding, ...]]] = [_coa(box, vault, dictionary, clock, nonce)]
    probes += [_way(box, vault, way) for way in (API, SNMP)]
    found = await asyncio.gather(*probes)
    heard = radius(box.heard, clients, now=clock.now())
    return [*heard, *(finding for findings in found for finding in findings)]


def radius(
    heard: LastHeard, clients: Collection[ClientStatus], *, now: datetime
) -> tuple[Finding, ...]:
    """Whether it asks and reports, and with our secret."""
    forged = sum(client.drops.get(OTHER_SECRET, 0) for client in clients)
    forged_records = sum(client.accounting.drops.get(OTHER_SECRET, 0) for client in clients)
    login_at = heard.login_at
    record_at = heard.record_at
    if record_at is not None and record_at < now - last_heard.WITHIN:
        record_at = None
    return (
        _heard("auth", login_at, f" ({heard.login_outcome})", record_at, forged, now),
        _heard("accounting", record_at, "", login_at, forged_records, now),
    )


def _heard(
    what: str,
    at: datetime | None,
    outcome: str,
    other_at: datetime | None,
    forged: int,
    now: datetime,
) -> Finding:
    with_another = f"{forged} packets with another secret reached this node since it started"
    if at is not None:
        told = f"last heard {nas_probes.duration(now - at)} ago{outcome}"
        if not forged:
            return Finding(what, State.OK, told)
        return Finding(what, State.DIFFERS, f"{told}; {with_another}", "see who else sends there")
    if forged:
        return Finding(what, State.FAILS, with_another, "make secret what the NAS has for us")
    told = "nothing heard within a day"
    if other_at is None or what == "accounting":
        return Finding(
            what, State.FAILS, told, "point its RADIUS client at us, and let UDP through"
        )
    return Finding(what, State.UNKNOWN, f"{told}; it reports, so its sessions may just be long")


async def _coa(
    box: Box, vault: Vault, dictionary: Dictionary, clock: Clock, nonce: str
) -> tuple[Finding, ...]:
    spec = box.nas.spec
    if spec.address.num_addresses != 1:
        told = f"{spec.address} is a network: there is no one box to ask"
        return (Finding("coa", State.UNKNOWN, told),)
    vendor = VENDORS.get(spec.vendor)
    if vendor is None:
        return (Finding("coa", State.FAILS, f"vendor {spec.vendor} is not known", "correct it"),)
    try:
        target = coa_targets.target_of(box.nas, spec.address.network_address, vault, box.tenant_id)
    except CannotOpen:
        return (_sealed("coa", "secret"),)
    return (await nas_probes.coa(dictionary, clock, target, vendor, nonce),)


async def _way(box: Box, vault: Vault, way: str) -> tuple[Finding, ...]:
    stored = box.ways.get(way)
    if stored is None:
        return (Finding(way, State.ABSENT, f"add [nas.{way}] to its entry, and apply"),)
    spec = box.nas.spec
    try:
        secrets = api_registry.secrets_of(vault, box.tenant_id, stored)
        if isinstance(stored.spec, ApiSpec):
            api = api_registry.api_access(spec, stored.spec, secrets)
            return await nas_probes.api(stored.spec.kind, api, box.sessions)
        assert isinstance(stored.spec, SnmpSpec)
        snmp = api_registry.snmp_access(spec, stored.spec, secrets)
        return await nas_probes.agent(snmp, stored.spec.olt)
    except CannotOpen:
        return (_sealed(way, way),)
    except NoHost as refused:
        return (Finding(way, State.FAILS, str(refused)),)


def _sealed(what: str, which: str) -> Finding:
    return Finding(
        what,
        State.FAILS,
        f"its {which} was sealed with another key",
        "apply it again, or bring turnpike.key back",
    )
