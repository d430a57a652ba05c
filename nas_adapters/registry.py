"""The boxes that may ask: who they are, where they send from, and the secret they share.

The source address decides which tenant a packet belongs to, so (address, identifier) is
unique over all tenants; row-level security hides the others, the constraint does not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.db import Tx
from core.errors import Conflict, NotFound
from core.secret import Secret, Vault
from nas_adapters.base import COA_PORT
from nas_adapters.models import Nas
from nas_adapters.secrets import seal_coa_secret, seal_secret
from nas_adapters.vendors import VENDORS

REJECT: Final = "reject"
NO_SECRETS: Final[Mapping[str, Secret]] = MappingProxyType({})


class NasNotFound(NotFound):
    """No box of this name, or not of this tenant."""


class NasConflict(Conflict):
    """Another box has the address, or something still refers to this one."""


@dataclass(frozen=True, slots=True)
class NasSpec:
    """A box as an operator describes it, but for its secrets."""

    name: str
    address: IPv4Network | IPv6Network
    identifier: str = ""  # escaped text; empty: whatever it calls itself
    vendor: str = "generic"
    require_message_authenticator: bool = True
    coa_port: int | None = None  # None: the vendor's
    swap_octets: bool = False  # it counts from the subscriber's side
    line_bps: int | None = None  # no subscriber of this box can be faster
    octet_unit: int = 1  # one count of its is so many octets
    line_patterns: Mapping[str, str] = field(default_factory=dict)  # `nas_adapters.line_patterns`
    name_templates: Mapping[str, str] = field(default_factory=dict)  # `nas_adapters.templates`
    unknown_devices: str = REJECT  # or the code of the plan that they get

    @property
    def coa_port_in_use(self) -> int:
        """Where it listens for Change-of-Authorization (RFC 5176)."""
        known = VENDORS.get(self.vendor)  # plain SQL may have named any
        return self.coa_port or (known.coa_port if known else COA_PORT)


@dataclass(frozen=True, slots=True)
class StoredNas:
    """A box as it is stored; its secrets open with `open_secret` and `open_coa_secret`."""

    id: int
    spec: NasSpec
    secret_sealed: bytes
    coa_secret_sealed: bytes | None  # None: the other one serves
    sends_gigawords: bool  # learned: its counters go beyond 32 bits
    updated_at: datetime


async def all_of(tx: Tx, names: Collection[str] | None = None) -> dict[str, StoredNas]:
    """Every NAS of the tenant by name, or those of these names that exist."""
    query = select(Nas).order_by(Nas.name).execution_options(populate_existing=True)
    if names is not None:
        query = query.where(Nas.name.in_(names))
    return {row.name: _stored(row) for row in await tx.scalars(query)}


async def names_of(tx: Tx, ids: Collection[int]) -> dict[int, str]:
    """The names of those of these ids that exist."""
    rows = await tx.execute(select(Nas.id, Nas.name).where(Nas.id.in_(ids)))
    return {row.id: row.name for row in rows}


async def of_id(tx: Tx, nas_id: int) -> StoredNas | None:
    """The NAS of this id, if it is still there."""
    row = await tx.scalar(
        select(Nas).where(Nas.id == nas_id).execution_options(populate_existing=True)
    )
    return None if row is None else _stored(row)


async def get(tx: Tx, name: str) -> StoredNas:
    """The NAS of this name.

    Raises:
        NasNotFound: there is none.
    """
    found = await all_of(tx, [name])
    if not found:
        raise NasNotFound(f"there is no NAS {name}")
    return found[name]


async def add(
    tx: Tx,
    vault: Vault,
    tenant_id: int,
    boxes: Sequence[tuple[NasSpec, Secret]],
    *,
    coa_secrets: Mapping[str, Secret] = NO_SECRETS,
    now: datetime,
) -> None:
    """Register new boxes; `coa_secrets` by name, for those that have one of its own.

    Raises:
        NasConflict: a name or an (address, identifier) is taken.
    """
    if not boxes:
        return
    rows = [
        {"tenant_id": tenant_id, "secret_sealed": b"", "created_at": now, **_values(spec, now)}
        for spec, _ in boxes
    ]
    try:
        async with tx.begin_nested():
            made = await tx.execute(insert(Nas).returning(Nas.name, Nas.id), rows)
    except IntegrityError:
        raise await _conflict(tx, [spec for spec, _ in boxes], are_new=True) from None
    ids = {row.name: row.id for row in made}
    # A secret is bound to its row's id, which there was none of until now.
    await tx.execute(
        update(Nas),
        [
            {
                "id": ids[spec.name],
                "secret_sealed": seal_secret(vault, tenant_id, ids[spec.name], secret),
                "coa_secret_sealed": seal_coa_secret(vault, tenant_id, ids[spec.name], coa_secret)
                if (coa_secret := coa_secrets.get(spec.name)) is not None
                else None,
            }
            for spec, secret in boxes
        ],
    )


async def change(
    tx: Tx,
    vault: Vault,
    tenant_id: int,
    spec: NasSpec,
    secret: Secret | None,
    *,
    coa_secret: Secret | None = None,
    drops_coa_secret: bool = False,
    now: datetime,
) -> None:
    """Make the box of `spec.name` what `spec` says; a secret that is not given stays, but for
    the one for changes where `drops_coa_secret`: then the other one serves.

    Raises:
        NasNotFound: there is no box of that name.
        NasConflict: its (address, identifier) is taken.
    """
    values = _values(spec, now)
    if drops_coa_secret:
        assert coa_secret is None
        values["coa_secret_sealed"] = None
    if secret is not None or coa_secret is not None:
        nas_id = (await get(tx, spec.name)).id
        if secret is not None:
            values["secret_sealed"] = seal_secret(vault, tenant_id, nas_id, secret)
        if coa_secret is not None:
            values["coa_secret_sealed"] = seal_coa_secret(vault, tenant_id, nas_id, coa_secret)
    try:
        async with tx.begin_nested():
            changed = await tx.scalar(
                update(Nas).where(Nas.name == spec.name).values(values).returning(Nas.id)
            )
    except IntegrityError:
        raise await _conflict(tx, [spec], are_new=False) from None
    if changed is None:
        raise NasNotFound(f"there is no NAS {spec.name}")


async def remove(tx: Tx, name: str) -> None:
    """Forget the box; its packets are those of an unknown sender from then on.

    Raises:
        NasNotFound: there is no box of that name.
        NasConflict: subscribers are bound to it.
    """
    try:
        async with tx.begin_nested():
            removed = await tx.scalar(delete(Nas).where(Nas.name == name).returning(Nas.id))
    except IntegrityError:
        raise NasConflict(
            f"subscribers are bound to NAS {name}: take it out of their bind_nas and line_nas first"
        ) from None
    if removed is None:
        raise NasNotFound(f"there is no NAS {name}")


async def _conflict(tx: Tx, wanted: Sequence[NasSpec], *, are_new: bool) -> NasConflict:
    """Who has what was wanted; another tenant's box cannot be seen and is not named."""
    stored = await all_of(tx)
    owners = {(nas.spec.address, nas.spec.identifier): name for name, nas in stored.items()}
    for spec in wanted:
        if are_new and spec.name in stored:
            return NasConflict(f"there is already a NAS {spec.name}")
        owner = owners.get((spec.address, spec.identifier), spec.name)
        if owner != spec.name:
            return NasConflict(
                f"NAS {spec.name}: {_sender(spec)} belongs to NAS {owner}; "
                "tell boxes behind one address apart by identifier"
            )
    names = ", ".join(f"{spec.name} ({_sender(spec)})" for spec in wanted[:5])
    return NasConflict(f"the address of one of these is in use by another tenant: {names}")


def _sender(spec: NasSpec) -> str:
    return f"{spec.address} {spec.identifier}".rstrip()


def _stored(row: Nas) -> StoredNas:
    spec = NasSpec(
        name=row.name,
        address=row.address,
        identifier=row.identifier,
        vendor=row.vendor,
        require_message_authenticator=row.require_message_authenticator,
        coa_port=row.coa_port,
        swap_octets=row.swap_octets,
        line_bps=row.line_bps,
        octet_unit=row.octet_unit,
        line_patterns=row.line_patterns,
        name_templates=row.name_templates,
        unknown_devices=row.unknown_devices,
    )
    return StoredNas(
        row.id,
        spec,
        row.secret_sealed,
        row.coa_secret_sealed,
        row.sends_gigawords,
        row.updated_at,
    )


def _values(spec: NasSpec, now: datetime) -> dict[str, object]:
    return {
        "name": spec.name,
        "address": spec.address,
        "identifier": spec.identifier,
        "vendor": spec.vendor,
        "require_message_authenticator": spec.require_message_authenticator,
        "coa_port": spec.coa_port,
        "swap_octets": spec.swap_octets,
        "line_bps": spec.line_bps,
        "octet_unit": spec.octet_unit,
        "line_patterns": dict(spec.line_patterns),
        "name_templates": dict(spec.name_templates),
        "unknown_devices": spec.unknown_devices,
        "updated_at": now,
    }
