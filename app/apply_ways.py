"""The part of `apply` that puts the ways into NASes where the database has them."""

from collections.abc import Collection, Mapping
from datetime import datetime

from app.manifest_difference import changes
from app.manifest_ways import WayEntry
from core.db import Tx
from core.errors import Invalid
from core.secret import CannotOpen, Secret, Vault
from nas_adapters import api_registry, registry
from nas_adapters.api_access import ApiSpec, SnmpSpec
from nas_adapters.api_registry import StoredWay

SECRETS_OF = {
    "routeros": ("password",),
    "unifi": ("password",),
    "2c": ("community",),
    "3": ("auth_key", "privacy_key"),
}


async def put_ways(
    tx: Tx,
    vault: Vault,
    tenant_id: int,
    wanted: Mapping[str, Collection[WayEntry]],
    *,
    now: datetime,
) -> list[str]:
    """Have each of these NASes, which exist, reached in these ways and no other; what changed.

    Raises:
        Invalid: a way that is new, or of another kind, lacks a secret.
    """
    if not wanted:
        return []
    ids = {name: nas.id for name, nas in (await registry.all_of(tx, wanted)).items()}
    stored = await api_registry.of_all(tx, ids.values())
    lines = []
    for name, entries in wanted.items():
        nas_id = ids[name]
        for entry in entries:
            old = stored.pop((nas_id, entry.way), None)
            line, secrets = _difference(vault, tenant_id, name, old, entry)
            if line:
                lines.append(line)
                await api_registry.put(tx, vault, tenant_id, nas_id, entry.spec, secrets, now=now)
        for of, way in [key for key in stored if key[0] == nas_id]:
            await api_registry.remove(tx, of, way)
            lines.append(f"- nas {name} {way}")
    return lines


def _difference(
    vault: Vault, tenant_id: int, name: str, old: StoredWay | None, entry: WayEntry
) -> tuple[str, dict[str, Secret]]:
    """A line about it, empty if there is nothing to do, and all its secrets."""
    kind = _kind(entry.spec)
    # A password for one kind is no community for another: nothing of it stays.
    known = old if old is not None and _kind(old.spec) == kind else None
    before = _opened(vault, tenant_id, known)
    secrets = {**before, **entry.secrets}
    for secret in SECRETS_OF[kind]:
        if secret not in secrets:
            raise Invalid(f"nas {name}: {entry.way}.{secret}: missing; a new one needs it")
    if known is None:
        return f"{'+' if old is None else '~'} nas {name} {entry.way}: {kind}", secrets
    changed = [f"{entry.way}.{change}" for change in changes(known.spec, entry.spec)]
    changed += [
        f"{entry.way}.{secret} changed"
        for secret in secrets
        if before.get(secret) != secrets[secret]
    ]
    return f"~ nas {name}: {', '.join(changed)}" if changed else "", secrets


def _kind(spec: ApiSpec | SnmpSpec) -> str:
    return spec.version if isinstance(spec, SnmpSpec) else spec.kind


def _opened(vault: Vault, tenant_id: int, way: StoredWay | None) -> dict[str, Secret]:
    if way is None:
        return {}
    try:
        return api_registry.secrets_of(vault, tenant_id, way)
    except CannotOpen:
        return {}  # sealed with a key that is lost: what the file says replaces it
