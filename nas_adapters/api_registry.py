"""The ways into each box as they are stored, their secrets sealed.

What the secrets of a way are called depends on its kind: `password`; `community`; or
`auth_key` and `privacy_key`.  They are sealed together and bound to their NAS and way, so
that a community does not open as a password, nor one NAS's as another's.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from core.db import Tx
from core.errors import NotFound
from core.secret import Secret, Vault
from nas_adapters.api_access import (
    SNMP,
    SNMP_PORT,
    ApiAccess,
    ApiSpec,
    SnmpAccess,
    SnmpSpec,
    port_of,
)
from nas_adapters.api_models import NasApi
from nas_adapters.registry import NasSpec

API: Final = "api"
_COLUMNS: Final = ("address", "port", "username")

Secrets = Mapping[str, Secret]


class NoHost(NotFound):
    """A way without an address, into a NAS that is a whole network."""


@dataclass(frozen=True, slots=True)
class StoredWay:
    """One way into one box; its secrets open with `secrets_of`."""

    nas_id: int
    spec: ApiSpec | SnmpSpec
    secrets_sealed: bytes


async def of_all(
    tx: Tx, nas_ids: Collection[int] | None = None
) -> dict[tuple[int, str], StoredWay]:
    """Every way by NAS and `API` or `SNMP`, or those of these NASes."""
    query = select(NasApi).execution_options(populate_existing=True)
    if nas_ids is not None:
        query = query.where(NasApi.nas_id.in_(nas_ids))
    return {(row.nas_id, row.way): _stored(row) for row in await tx.scalars(query)}


async def put(
    tx: Tx,
    vault: Vault,
    tenant_id: int,
    nas_id: int,
    spec: ApiSpec | SnmpSpec,
    secrets: Secrets,
    *,
    now: datetime,
) -> None:
    """Have this way into the box, instead of the one that there may be."""
    options = asdict(spec)
    kind = options.pop("version") if isinstance(spec, SnmpSpec) else options.pop("kind")
    values = {
        "tenant_id": tenant_id,
        "kind": kind,
        **{column: options.pop(column) for column in _COLUMNS},
        "secrets_sealed": seal(vault, tenant_id, nas_id, way_of(spec), secrets),
        "options": options,
        "updated_at": now,
    }
    statement = insert(NasApi).values(nas_id=nas_id, way=way_of(spec), **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["nas_id", "way"], set_=values))


async def remove(tx: Tx, nas_id: int, way: str) -> None:
    """Forget it; nothing happens if there is none."""
    await tx.execute(delete(NasApi).where(NasApi.nas_id == nas_id, NasApi.way == way))


def way_of(spec: ApiSpec | SnmpSpec) -> str:
    return SNMP if isinstance(spec, SnmpSpec) else API


def seal(vault: Vault, tenant_id: int, nas_id: int, way: str, secrets: Secrets) -> bytes:
    plain = {name: secret.octets for name, secret in sorted(secrets.items())}
    return vault.seal(msgspec.msgpack.encode(plain), _context(tenant_id, nas_id, way))


def secrets_of(vault: Vault, tenant_id: int, way: StoredWay) -> dict[str, Secret]:
    """By name.

    Raises:
        CannotOpen: sealed with another key, for another box or for another way.
    """
    context = _context(tenant_id, way.nas_id, way_of(way.spec))
    plain = msgspec.msgpack.decode(vault.open(way.secrets_sealed, context), type=dict[str, bytes])
    return {name: Secret(octets) for name, octets in plain.items()}


def api_access(nas: NasSpec, spec: ApiSpec, secrets: Secrets) -> ApiAccess:
    """Ready to connect.

    Raises:
        NoHost: neither of them says where.
    """
    return ApiAccess(
        nas=nas.name,
        host=_host(nas, spec.address, API),
        port=spec.port or port_of(spec.kind, tls=spec.tls),
        username=spec.username,
        password=secrets["password"],
        tls=spec.tls,
        fingerprint=spec.fingerprint,
        site=spec.site or "default",
    )


def snmp_access(nas: NasSpec, spec: SnmpSpec, secrets: Secrets) -> SnmpAccess:
    """Ready to ask.

    Raises:
        NoHost: neither of them says where.
    """
    return SnmpAccess(
        nas=nas.name,
        host=_host(nas, spec.address, SNMP),
        port=spec.port or SNMP_PORT,
        version=spec.version,
        community=secrets.get("community"),
        username=spec.username,
        auth=spec.auth,
        auth_key=secrets.get("auth_key"),
        privacy=spec.privacy,
        privacy_key=secrets.get("privacy_key"),
    )


def _host(nas: NasSpec, address: str, way: str) -> str:
    if address:
        return address
    if nas.address.num_addresses != 1:
        raise NoHost(
            f"NAS {nas.name}: {nas.address} is a network: say {way}.address, where one box is"
        )
    return str(nas.address.network_address)


def _stored(row: NasApi) -> StoredWay:
    values = {**row.options, **{column: getattr(row, column) for column in _COLUMNS}}
    type_: type[ApiSpec] | type[SnmpSpec] = ApiSpec
    if row.way == SNMP:
        type_, values["version"] = SnmpSpec, row.kind
    else:
        values["kind"] = row.kind
    # Not by its constructor: options are what plain SQL may have written.
    return StoredWay(row.nas_id, msgspec.convert(values, type_), row.secrets_sealed)


def _context(tenant_id: int, nas_id: int, way: str) -> bytes:
    return f"nas-{way}:".encode() + tenant_id.to_bytes(8, "big") + nas_id.to_bytes(8, "big")
