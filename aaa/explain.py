"""Why would this subscriber be let in, or not?  The decision without a packet, for staff.

Reads the database rather than the directory, so it tells what holds a second from now on
every node.  What only a packet can tell is taken to be in order: the device is the bound
one, nobody has been guessing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

import asyncpg

from aaa import rows, ways
from aaa.credentials import open_credential
from aaa.extra_attributes import allowed_in_a_garden
from aaa.facts import facts_of
from aaa.places import NOTHING, Occupied, occupied
from aaa.policy import Deny, Permit, authorize, trace
from aaa.pools_login import has_own
from aaa.pools_plan import ATTRIBUTES
from aaa.records import NasRecord, SubscriberRecord
from aaa.rendering import UNRENDERABLE_MESSAGE, Renderer, Unrenderable, service_for
from core.db import Tx, raw
from core.errors import NotFound
from core.secret import CannotOpen, Vault
from dictionaries.definitions import Dictionary


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, the steps to it, and what the NAS would be told."""

    outcome: str  # accept | reject
    reason: str
    message: str
    nas: str
    vendor: str
    trace: tuple[tuple[str, str, str], ...]  # rule, input, result
    attributes: tuple[tuple[str, str], ...]  # of an accept, without Class
    access: str = ""  # pppoe | hotspot | gpon; empty for nobody
    ways: tuple[str, ...] = ()  # by which he is found without name and password


async def explain(
    tx: Tx,
    vault: Vault,
    renderer: Renderer,
    dictionary: Dictionary,
    tenant_id: int,
    username: str,
    *,
    nas_name: str | None = None,
    password: str | None = None,
    others: Callable[[SubscriberRecord, int], Occupied] | None = None,
    garden_session_timeout_s: int,
    now: datetime,
) -> Explanation:
    """Decide as a login would.  `others` counts the places that other devices of a
    subscriber hold, on the NAS of this id; without it, all his open sessions.

    Without `password` the proof is not asked for; without `nas_name` it is one that the
    subscriber may use.

    Raises:
        NotFound: there is no NAS of that name.
    """
    connection = await raw(tx)
    row = await connection.fetchrow(rows.SUBSCRIBER_BY_NAME, tenant_id, username)
    record = None if row is None else rows.subscriber_of(row, dictionary)
    profiles = [rows.profile_of(each) for each in await connection.fetch(rows.PROFILES)]
    renderer.replace_profiles({profile.id: profile for profile in profiles})
    profile = renderer.profile(record.profile_id) if record is not None else None
    nas = await _nas(connection, record, nas_name)
    proof, proof_reason = _proof(vault, tenant_id, record, password)
    facts = facts_of(
        record,
        profile,
        int(now.timestamp()),
        nas.id if nas is not None else 0,
        record.bound_macs[0] if record is not None and record.bound_macs else "",
        _others(record, nas, others) if record is not None else NOTHING,
        False,
        proof,
        proof_reason,
        "name" if record is not None else "",
    )
    decision = authorize(facts)
    steps = tuple(trace(facts))
    told = () if record is None else tuple(map(ways.shown, record.ways))
    access = ("" if row is None else row["access"], told)
    name, vendor = (nas.name, nas.vendor) if nas is not None else ("", "generic")
    if isinstance(decision, Deny):
        return Explanation(
            "reject", decision.reason, decision.message, name, vendor, steps, (), *access
        )
    assert row is not None
    assert record is not None
    try:
        attributes = _attributes(renderer, vendor, record, decision, garden_session_timeout_s)
    except Unrenderable as error:
        steps = (*steps[:-1], ("render", str(error), "unrenderable"))
        return Explanation(
            "reject", "unrenderable", UNRENDERABLE_MESSAGE, name, vendor, steps, (), *access
        )
    attributes += [
        (each, str(value))
        for each, value, octets in rows.reply_of(row, dictionary)
        if not decision.walled_by or allowed_in_a_garden(octets)
    ]
    return Explanation("accept", "", "", name, vendor, steps, tuple(attributes), *access)


def _attributes(
    renderer: Renderer,
    vendor: str,
    record: SubscriberRecord,
    permit: Permit,
    garden_session_timeout_s: int,
) -> list[tuple[str, str]]:
    """What the NAS would be told, without the subscriber's extra attributes.

    Raises:
        Unrenderable: it cannot be said.
    """
    service, profile_id = service_for(permit), record.profile_id
    renderer.octets(vendor, profile_id, record.personal, service)
    said = list(renderer.attributes(vendor, profile_id, record.personal, service))
    if permit.limit_octets:
        said += renderer.limit_attributes(vendor, profile_id, permit.limit_octets)
    timeout_s = permit.session_timeout_s
    if permit.walled_by:
        timeout_s = min(timeout_s or garden_session_timeout_s, garden_session_timeout_s)
    attributes = [("Session-Timeout", str(timeout_s))] if timeout_s else []
    attributes += [(attr.name, _shown(attr.value)) for attr in said]
    return attributes + _of_pools(renderer, record, permit)


def _of_pools(
    renderer: Renderer, record: SubscriberRecord, permit: Permit
) -> list[tuple[str, str]]:
    """What he would get out of pools of ours: which address, only a login knows."""
    profile = renderer.profile(record.profile_id)
    if profile is None or (permit.walled_by and renderer.garden_has_pool):
        return []
    personal = None if permit.walled_by else record.personal
    return [
        (ATTRIBUTES[pool.kind], f"out of pool {pool.name}")
        for pool in profile.pools
        if not has_own(personal, pool.kind)
    ]


async def _nas(
    connection: asyncpg.Connection, record: SubscriberRecord | None, name: str | None
) -> NasRecord | None:
    boxes = [rows.nas_of(each) for each in await connection.fetch(rows.NASES)]
    if name is not None:
        for nas in boxes:
            if nas.name == name:
                return nas
        raise NotFound(f"there is no NAS {name}")
    bound = record.bound_nas_ids if record is not None else ()
    fitting = [nas for nas in boxes if not bound or nas.id in bound]
    return min(fitting, key=lambda nas: nas.name) if fitting else None


def _others(
    record: SubscriberRecord,
    nas: NasRecord | None,
    count: Callable[[SubscriberRecord, int], Occupied] | None,
) -> Occupied:
    if count is None:
        return occupied(record.sessions, (), (), b"", 0.0)
    return count(record, nas.id if nas is not None else 0)


def _proof(
    vault: Vault, tenant_id: int, record: SubscriberRecord | None, password: str | None
) -> tuple[str, str]:
    if password is None:
        return "not-asked", ""
    if record is None or not record.credential_sealed:
        return "failed", "password"
    try:
        credential = open_credential(vault, tenant_id, record.id, record.credential_sealed)
    except CannotOpen:
        return "failed", "credential-unreadable"
    if compare_digest(credential.password, password.encode()):
        return "proven", ""
    return "failed", "password"


def _shown(value: str | int | bytes) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
