"""The file that `turnpike apply` reads: what it may say, and every mistake in it by name.

Reads and checks; writes nothing and asks no database.  What one entry says becomes a spec
of the domain that owns it.  Mistakes are collected, at most one an entry, so that a long
file is corrected in few rounds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from aaa.pools_plan import PoolSpec
from aaa.profiles import ProfileSpec
from aaa.subscribers import SubscriberSpec
from app import manifest_access, manifest_dialect, manifest_pool, manifest_quota, manifest_ways
from app import manifest_values as values
from app.manifest_table import Table
from app.manifest_ways import WayEntry
from core.errors import Invalid, Refused
from core.secret import Secret
from nas_adapters.profile import Burst
from nas_adapters.registry import REJECT, NasSpec
from nas_adapters.vendors import vendor

MISTAKES_TOLD_MAX: Final = 20
REPLY_OCTETS_MAX: Final = 2048  # of 4096 (RFC 2865 §3); the plan and the protocol need some

T = TypeVar("T")


class ReplyCheck(Protocol):
    """Whether the dictionary knows this attribute, can encode this value, and a reply may
    hold it."""

    def __call__(self, name: str, value: str | int) -> int:
        """How many octets it takes; Invalid if it cannot be encoded, or may not be."""


@dataclass(frozen=True, slots=True)
class NasEntry:
    spec: NasSpec
    secret: Secret | None  # None: an existing box keeps its own
    coa_secret: Secret | None  # None: it has none beside `secret`
    ways: tuple[WayEntry, ...] = ()  # beside RADIUS; it has no other


@dataclass(frozen=True, slots=True)
class SubscriberEntry:
    spec: SubscriberSpec
    password: Secret | None  # None: an existing subscriber keeps his own
    status: str | None  # active | suspended; None: as it is
    path: str  # where it stands in the file


@dataclass(frozen=True, slots=True)
class Manifest:
    """One file, checked in itself."""

    tenant: str | None
    nases: tuple[NasEntry, ...]
    plans: tuple[ProfileSpec, ...]
    subscribers: tuple[SubscriberEntry, ...]
    timezone: str | None = None  # None: as it is
    pools: tuple[PoolSpec, ...] = ()


def parse(document: object, check_reply: ReplyCheck) -> Manifest:
    """The document of a TOML or JSON file as a manifest.

    Raises:
        Invalid: one line for each entry that has a mistake: path, value, remedy.
    """
    top = Table("", document)
    top.only("tenant", "timezone", "nas", "pool", "plan", "subscriber")
    tenant = top.take("tenant", values.name, None)
    timezone = top.take("timezone", values.time_zone, None)
    mistakes: list[str] = []
    nases = _each(top, "nas", "name", _nas, mistakes)
    pools = _each(top, "pool", "name", manifest_pool.pool, mistakes)
    plans = _each(top, "plan", "code", _plan, mistakes)
    subscribers = _each(
        top, "subscriber", "username", lambda table: _subscriber(table, check_reply), mistakes
    )
    _once("nas", "name", (entry.spec.name for entry in nases), mistakes)
    senders = (f"{e.spec.address} {e.spec.identifier}".rstrip() for e in nases)
    _once("nas", "address and identifier", senders, mistakes)
    _once("pool", "name", (pool.name for pool in pools), mistakes)
    _once("plan", "code", (plan.code for plan in plans), mistakes)
    _once("subscriber", "username", (entry.spec.username for entry in subscribers), mistakes)
    if mistakes:
        told = mistakes[:MISTAKES_TOLD_MAX]
        if len(mistakes) > len(told):
            told.append(f"and {len(mistakes) - len(told)} more mistakes")
        raise Invalid("\n".join(told), field=mistakes[0].partition(":")[0])
    return Manifest(tenant, tuple(nases), tuple(plans), tuple(subscribers), timezone, tuple(pools))


def _each(
    top: Table, key: str, name_key: str, read: Callable[[Table], T], mistakes: list[str]
) -> list[T]:
    found = []
    for index, entry in enumerate(top.take(key, _a_list, [])):
        try:
            found.append(read(Table(f"{key}[{index}]", entry, name_key)))
        except Invalid as mistake:
            mistakes.append(str(mistake))
    return found


def _a_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise Invalid("write a list of tables: [[...]] in TOML, [{...}] in JSON")
    return value


def _once(kind: str, what: str, names: Iterable[str], mistakes: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            mistakes.append(f"{kind}: {what} {name} stands twice in the file: keep one of the two")
        seen.add(name)


def _nas(table: Table) -> NasEntry:
    table.only(
        *("name", "address", "identifier", "secret", "vendor", "require_message_authenticator"),
        *("coa_port", "coa_secret", "swap_octets", "line_rate", "unknown_devices"),
        *manifest_dialect.KEYS,
        *manifest_ways.KEYS,
    )
    name = table.need("name", values.name)
    vendor_name = table.take("vendor", _vendor, "generic")
    counting = vendor(vendor_name).counting
    return NasEntry(
        NasSpec(
            name=name,
            address=table.need("address", values.network),
            identifier=table.take("identifier", values.exact, ""),
            vendor=vendor_name,
            require_message_authenticator=table.take(
                "require_message_authenticator", values.flag, True
            ),
            coa_port=table.take("coa_port", values.whole(1, 65535), None),
            swap_octets=table.take("swap_octets", values.flag, counting.swapped),
            line_bps=table.take("line_rate", values.rate, None),
            octet_unit=manifest_dialect.octet_unit(table, counting),
            line_patterns=manifest_dialect.patterns(table, name),
            name_templates=manifest_dialect.names(table, name),
            unknown_devices=table.take("unknown_devices", values.name, REJECT),
        ),
        secret=table.take("secret", values.shared_secret, None, is_secret=True),
        coa_secret=table.take("coa_secret", values.shared_secret, None, is_secret=True),
        ways=manifest_ways.ways(table, vendor_name),
    )


def _plan(table: Table) -> ProfileSpec:
    table.only(
        *("code", "download", "upload", "burst", "session_limit", "at_limit"),
        *("session_timeout_s", "interim_s", "address_pool"),
        "on_nas",
        *manifest_quota.KEYS,
        *manifest_pool.PLAN_KEYS,
    )
    spec = ProfileSpec(
        code=table.need("code", values.name),
        download_bps=table.take("download", values.rate, None),
        upload_bps=table.take("upload", values.rate, None),
        burst=_burst(inner) if (inner := table.inner("burst")) else None,
        session_limit=table.take("session_limit", values.whole(0, 10_000), 0),
        at_limit=table.take("at_limit", values.one_of("reject", "kick_oldest"), "reject"),
        session_timeout_s=table.take("session_timeout_s", values.whole(1, values.UINT32_MAX), None),
        interim_s=table.take("interim_s", _interim, 300),
        address_pool=table.take("address_pool", values.attribute_text, None),
        on_nas=manifest_dialect.on_nas(table),
    )
    burst = spec.burst
    if burst is not None:
        if spec.download_bps is None or spec.upload_bps is None:
            raise table.wrong("burst", "a burst goes beyond a rate: give download and upload, too")
        if burst.download_bps < spec.download_bps or burst.upload_bps < spec.upload_bps:
            raise table.wrong("burst", "slower than the plan itself: a burst is at least its rate")
    return manifest_quota.with_quota(manifest_pool.with_pools(spec, table), table)


def _burst(table: Table) -> Burst:
    table.only("download", "upload", "threshold", "time_s")
    return Burst(
        download_bps=table.need("download", values.rate),
        upload_bps=table.need("upload", values.rate),
        threshold_bps=table.take("threshold", values.rate, None),
        time_s=table.take("time_s", values.whole(1, 3600), 1),
    )


def _subscriber(table: Table, check_reply: ReplyCheck) -> SubscriberEntry:
    table.only(
        *("username", "password", "plan", "status", "when_suspended", "bind_nas", "bind_mac"),
        *("static_ipv4", "static_ipv6_prefix", "delegated_ipv6", "expires_at", "reply"),
        "quota_anchor",
        *manifest_access.KEYS,
    )
    reply = table.inner("reply")
    return SubscriberEntry(
        SubscriberSpec(
            username=table.need("username", values.exact),
            profile=table.need("plan", values.name),
            when_suspended=table.take(
                "when_suspended", values.one_of("reject", "walled_garden"), "reject"
            ),
            bind_nas=tuple(sorted(table.take("bind_nas", values.list_of(values.name), ()))),
            bind_mac=tuple(
                sorted(table.take("bind_mac", values.list_of(manifest_access.mac_address), ()))
            ),
            static_ipv4=table.take("static_ipv4", values.host_ipv4, None),
            static_ipv6_prefix=table.take("static_ipv6_prefix", values.prefix_ipv6, None),
            delegated_ipv6=table.take("delegated_ipv6", values.prefix_ipv6, None),
            valid_until=table.take("expires_at", values.moment, None),
            quota_anchor=table.take("quota_anchor", values.day, None),
            reply=_reply(reply, check_reply) if reply else {},
            **manifest_access.access(table)._asdict(),
        ),
        password=table.take("password", values.password, None, is_secret=True),
        status=table.take("status", values.one_of("active", "suspended"), None),
        path=table.path,
    )


def _reply(table: Table, check: ReplyCheck) -> dict[str, object]:
    """Attributes by name; a list stands for several instances of one."""
    octets = 0

    def checked(name: str) -> Callable[[object], object]:
        def one(value: object) -> str | int:
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise Invalid('write a text or a whole number, octets as "0x00ff10"')
            nonlocal octets
            octets += check(name, value)
            return value

        def parse(value: object) -> object:
            return [one(item) for item in value] if isinstance(value, list) else one(value)

        return parse

    reply = {name: table.need(name, checked(name)) for name in table.names()}
    if octets > REPLY_OCTETS_MAX:
        raise Invalid(f"{table.path}: {octets} octets; no more than {REPLY_OCTETS_MAX} leave room")
    return reply


def _vendor(value: object) -> str:
    try:
        return vendor(values.string(value)).name
    except Refused as unknown:
        raise Invalid(str(unknown)) from None


def _interim(value: object) -> int | None:
    """Seconds between interim updates; 0 leaves it to the NAS."""
    seconds = values.whole(0, 86400)(value)
    if 0 < seconds < values.INTERIM_S_MIN:
        raise Invalid(f"no less than {values.INTERIM_S_MIN} seconds (RFC 2869 §2.1), or 0 for none")
    return seconds or None
