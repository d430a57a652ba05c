"""The subscribers of a manifest: compared, and written set by set, because they are many."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aaa import holds, passwords, subscribers
from aaa.credentials import open_credential, seal_credential
from aaa.subscribers import StoredSubscriber, SubscriberSpec, found_otherwise
from app.manifest import SubscriberEntry
from app.manifest_difference import changes
from core.db import Tx
from core.errors import Invalid
from core.secret import CannotOpen, Secret, Vault

REASON: Final = "turnpike apply"


async def put_subscribers(
    tx: Tx,
    vault: Vault,
    tenant_id: int,
    entries: Sequence[SubscriberEntry],
    *,
    now: datetime,
) -> list[str]:
    """Make the subscribers what the entries say, and tell the difference line by line.

    Raises:
        Invalid: somebody new has no password.
    """
    stored = await subscribers.of_names(tx, [entry.spec.username for entry in entries])
    lines: list[str] = []
    specs: list[SubscriberSpec] = []
    new_passwords: dict[str, Secret] = {}
    suspended: dict[str, str] = {}
    resumed: list[int] = []
    for entry in entries:
        spec, old = entry.spec, stored.get(entry.spec.username)
        changed = changes(old.spec, spec) if old else []
        if old is None or changed:
            specs.append(spec)
        if old is None and entry.password is None and not found_otherwise(spec):
            raise Invalid(
                f"{entry.path}.password ({spec.username}): missing; somebody new needs one"
            )
        if entry.password and not (old and _is_password(vault, tenant_id, old, entry.password)):
            new_passwords[spec.username] = entry.password
            changed.append("password changed")
        changed += _status(entry, old, suspended, resumed, now)
        if old is None:
            note = " (suspended)" if spec.username in suspended else ""
            lines.append(f"+ subscriber {spec.username}{note}")
        elif changed:
            lines.append(f"~ subscriber {spec.username}: {', '.join(changed)}")
    ids = {name: subscriber.id for name, subscriber in stored.items()}
    ids |= await subscribers.put(tx, tenant_id, specs, now=now)
    sealed = {
        ids[name]: seal_credential(vault, tenant_id, ids[name], secret.octets.decode())
        for name, secret in new_passwords.items()
    }
    await passwords.store(tx, tenant_id, sealed, now=now)
    effects = {ids[name]: effect for name, effect in suspended.items()}
    await holds.place(tx, tenant_id, effects, "staff", reason=REASON, now=now)
    await holds.lift(tx, resumed, "staff")
    return lines


def _is_password(vault: Vault, tenant_id: int, old: StoredSubscriber, password: Secret) -> bool:
    if old.sealed is None:
        return False
    try:
        return open_credential(vault, tenant_id, old.id, old.sealed).password == password.octets
    except CannotOpen:
        return False  # sealed with a key that is lost: what the file says replaces it


def _status(
    entry: SubscriberEntry,
    old: StoredSubscriber | None,
    suspended: dict[str, str],
    resumed: list[int],
    now: datetime,
) -> list[str]:
    """What `status` changes; only the hold of staff is the manifest's to place or lift."""
    standing = old.hold_of("staff") if old else None
    held = standing is not None and standing.is_in_force(now)
    effect = entry.spec.when_suspended
    if entry.status == "suspended":
        # Until somebody lifts it: a hold that would end by itself is not what the file says.
        if standing and held and standing.effect == effect and standing.until is None:
            return []
        suspended[entry.spec.username] = effect
        if not held:
            return ["status active -> suspended"]
        assert standing is not None
        until = [] if standing.until is None else ["suspended without an end"]
        return until + ([] if standing.effect == effect else [f"suspended: {effect}"])
    if entry.status == "active" and standing is not None:
        assert old is not None
        resumed.append(old.id)
        return ["status suspended -> active"]
    return []
