"""The part of `apply` that puts the ways into NASes where the database has them."""

from collections.abc import Iterable
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
    wanted: Iterable[tuple[str, WayEntry]],
    *,
    now: datetime,
) -> list[str]:
    """Each with the name of its NAS, which exists; what changed, in lines.

    Raises:
        Invalid: a way that is new, or of another kind, lacks a secret.
    """
    wanted = list(wanted)
    if not wanted:
        return []
    ids = {name: nas.id for name, nas in (await registry.all_of(tx)).items()}
    stored = await api_registry.of_all(tx, [ids[name] for name, _ in wanted])
    lines = []
    for name, entry in wanted:
        nas_id = ids[name]
        old = stored.get((nas_id, entry.way))
        if entry.spec is None:
            if old is not None:
                await api_registry.remove(tx, nas_id, entry.way)
                lines.append(f"- nas {name} {entry.way}")
            continue
        # A password for one kind is no community for another: nothing of it stays.
        known = old if old is not None and _kind(old.spec) == _kind(entry.spec) else None
        before = _opened(vault, tenant_id, known)
        secrets = {**before, **entry.secrets}
        for secret in SECRETS_OF[_kind(entry.spec)]:
            if secret not in secrets:
                raise Invalid(f"nas {name}: {entry.way}.{secret}: missing; a new one needs it")
        if known is None:
            sign = "+" if old is None else "~"
            lines.append(f"{sign} nas {name} {entry.way}: {_kind(entry.spec)}")
        else:
            changed = [f"{entry.way}.{change}" for change in changes(known.spec, entry.spec)]
            changed += [
                f"{entry.way}.{secret} changed"
                for secret in secrets
                if before.get(secret) != secrets[secret]
            ]
            if not changed:
                continue
            lines.append(f"~ nas {name}: {', '.join(changed)}")
        await api_registry.put(tx, vault, tenant_id, nas_id, entry.spec, secrets, now=now)
    return lines


def _kind(spec: ApiSpec | SnmpSpec) -> str:
    return spec.version if isinstance(spec, SnmpSpec) else spec.kind


def _opened(vault: Vault, tenant_id: int, way: StoredWay | None) -> dict[str, Secret]:
    if way is None:
        return {}
    try:
        return api_registry.secrets_of(vault, tenant_id, way)
    except CannotOpen:
        return {}  # sealed with a key that is lost: what the file says replaces it
