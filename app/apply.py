"""`turnpike apply`: make the database what a manifest says, all of it or nothing.

What is stored and what the file says are compared as specs of the domain; the difference
is told and, in the same transaction, made.  A dry run does the very same and rolls back,
so it finds what the real run would find.  What the file does not name stays as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import text

from aaa import pools, profiles
from aaa.profiles import ProfileSpec, StoredProfile
from app.apply_access import refuse_strangers
from app.apply_pools import put_pools
from app.apply_subscribers import put_subscribers
from app.apply_ways import put_ways
from app.manifest import Manifest, NasEntry
from app.manifest_difference import changes
from core import tenancy
from core.db import Database, Tx, enter
from core.errors import Conflict, Invalid, NotFound
from core.secret import CannotOpen, Secret, Vault
from nas_adapters import registry
from nas_adapters.registry import StoredNas
from nas_adapters.secrets import open_coa_secret, open_secret

LOCK: Final = 0x6170706C  # "appl", of pg_advisory_xact_lock


@dataclass(frozen=True, slots=True)
class Applied:
    """What was, or would be, done."""

    tenant: str
    lines: tuple[str, ...]  # "+ nas bras-1", "~ plan home-50: download 20M -> 50M"


class _DryRun(Exception):
    """Ends the transaction of a dry run."""


async def apply(
    database: Database,
    vault: Vault,
    manifest: Manifest,
    *,
    tenant: str | None = None,
    dry_run: bool = False,
    now: datetime,
) -> Applied:
    """Apply the manifest to its tenant, or to `tenant` if it names none.

    Raises:
        Invalid: something new lacks its password or secret, or a name is unknown.
        Conflict: an address belongs to somebody else, or to two pools.
    """
    done: Applied | None = None
    try:
        async with database.lobby() as tx:
            done = await _apply(tx, vault, manifest, await _tenant(tx, manifest, tenant), now)
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    assert done is not None
    return done


@dataclass(frozen=True, slots=True)
class _Scope:
    tenant_id: int
    code: str
    lines: list[str] = field(default_factory=list)


async def _tenant(tx: Tx, manifest: Manifest, asked: str | None) -> _Scope:
    """Enter the tenant that is meant, made if it is missing, and keep other applies out."""
    if asked is not None and manifest.tenant not in (None, asked):
        raise Conflict(f"the file is for tenant {manifest.tenant}, not {asked}: leave one out")
    code = manifest.tenant or asked
    if code is None:
        known = await tenancy.known(tx)
        if len(known) != 1:
            raise Invalid('tenant: missing; add tenant = "..." to the file, or --tenant')
        code = known[0].code
    await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    tenant_id = await tenancy.find(tx, code)
    lines = []
    if tenant_id is None:
        tenant_id = await tenancy.found(tx, code, code)
        lines.append(f"+ tenant {code}")
    await enter(tx, tenant_id)
    return _Scope(tenant_id, code, lines)


async def _apply(tx: Tx, vault: Vault, manifest: Manifest, scope: _Scope, now: datetime) -> Applied:
    if manifest.timezone is not None:
        before = await tenancy.put_timezone(tx, scope.tenant_id, manifest.timezone)
        if before is not None:
            scope.lines.append(f"~ tenant {scope.code}: timezone {before} -> {manifest.timezone}")
    stored_nases = await registry.all_of(tx)
    stored_plans = await profiles.all_of(tx)
    _refuse_unknown_names(manifest, stored_nases, stored_plans)
    await _put_nases(tx, vault, scope, manifest.nases, stored_nases, now)
    ways = {entry.spec.name: entry.ways for entry in manifest.nases}
    scope.lines.extend(await put_ways(tx, vault, scope.tenant_id, ways, now=now))
    plans = {code: stored.spec for code, stored in stored_plans.items()}
    plans |= {plan.code: plan for plan in manifest.plans}
    nases = {name: nas.spec for name, nas in stored_nases.items()}
    refuse_strangers(nases | {entry.spec.name: entry.spec for entry in manifest.nases}, plans)
    scope.lines.extend(await put_pools(tx, scope.tenant_id, manifest.pools, plans.values()))
    await _put_plans(tx, scope, manifest.plans, stored_plans)
    scope.lines.extend(
        await put_subscribers(tx, vault, scope.tenant_id, manifest.subscribers, now=now)
    )
    await pools.refuse_given(tx, [entry.spec.username for entry in manifest.subscribers])
    return Applied(scope.code, tuple(scope.lines))


def _refuse_unknown_names(
    manifest: Manifest, nases: Mapping[str, StoredNas], plans: Mapping[str, StoredProfile]
) -> None:
    known_nases = nases.keys() | {entry.spec.name for entry in manifest.nases}
    known_plans = plans.keys() | {plan.code for plan in manifest.plans}
    for entry in manifest.subscribers:
        at = f"({entry.spec.username})"
        if entry.spec.profile not in known_plans:
            raise NotFound(
                f"{entry.path}.plan {at} = {entry.spec.profile!r}: there is no such plan; "
                f"{_there_are(known_plans)}"
            )
        bound = [("bind_nas", name) for name in entry.spec.bind_nas]
        if entry.spec.line_nas is not None:
            bound.append(("line_nas", entry.spec.line_nas))
        for key, name in bound:
            if name not in known_nases:
                raise NotFound(
                    f"{entry.path}.{key} {at} = {name!r}: there is no such NAS; "
                    f"{_there_are(known_nases)}"
                )


def _there_are(names: Iterable[str]) -> str:
    some = sorted(names)[:10]
    return f"there are {', '.join(some)}" if some else "there are none"


async def _put_plans(
    tx: Tx, scope: _Scope, specs: Iterable[ProfileSpec], stored: Mapping[str, StoredProfile]
) -> None:
    touched = []
    for spec in specs:
        old = stored.get(spec.code)
        if old is None:
            scope.lines.append(f"+ plan {spec.code}")
        elif changed := changes(old.spec, spec):
            scope.lines.append(f"~ plan {spec.code}: {', '.join(changed)}")
        else:
            continue
        touched.append(spec)
    await profiles.put(tx, scope.tenant_id, touched)


async def _put_nases(
    tx: Tx,
    vault: Vault,
    scope: _Scope,
    entries: Iterable[NasEntry],
    stored: Mapping[str, StoredNas],
    now: datetime,
) -> None:
    new: list[tuple[registry.NasSpec, Secret]] = []
    new_coa: dict[str, Secret] = {}
    for entry in entries:
        spec, old = entry.spec, stored.get(entry.spec.name)
        if old is None:
            if entry.secret is None:
                raise Invalid(f"nas {spec.name}: secret: missing; a new NAS needs one")
            new.append((spec, entry.secret))
            if entry.coa_secret is not None:
                new_coa[spec.name] = entry.coa_secret
            scope.lines.append(f"+ nas {spec.name}")
            continue
        changed = changes(old.spec, spec)
        differs = entry.secret is not None and not _is_secret(vault, scope, old, entry.secret)
        if differs:
            changed.append("secret changed")
        coa_differs = entry.coa_secret is not None and not _is_coa_secret(
            vault, scope, old, entry.coa_secret
        )
        coa_goes = entry.coa_secret is None and old.coa_secret_sealed is not None
        if coa_differs:
            changed.append("coa_secret changed")
        if coa_goes:
            changed.append("coa_secret removed")
        if changed:
            scope.lines.append(f"~ nas {spec.name}: {', '.join(changed)}")
            await registry.change(
                tx,
                vault,
                scope.tenant_id,
                spec,
                entry.secret if differs else None,
                coa_secret=entry.coa_secret if coa_differs else None,
                drops_coa_secret=coa_goes,
                now=now,
            )
    await registry.add(tx, vault, scope.tenant_id, new, coa_secrets=new_coa, now=now)


def _is_secret(vault: Vault, scope: _Scope, old: StoredNas, secret: Secret) -> bool:
    try:
        return open_secret(vault, scope.tenant_id, old.id, old.secret_sealed) == secret
    except CannotOpen:
        return False  # sealed with a key that is lost: what the file says replaces it


def _is_coa_secret(vault: Vault, scope: _Scope, old: StoredNas, secret: Secret) -> bool:
    if old.coa_secret_sealed is None:
        return False
    try:
        return open_coa_secret(vault, scope.tenant_id, old.id, old.coa_secret_sealed) == secret
    except CannotOpen:
        return False
