"""The pools of a manifest, `[[pool]]`, and the keys by which a plan names them.

`address_pool` names a pool that the NAS has; `ipv4_pool`, `ipv6_pool` and `delegated_pool` name
pools of ours.  A plan says one or the other of IPv4.
"""

from dataclasses import replace
from typing import Final

from aaa.pools_plan import (
    HOLD_S,
    KINDS,
    LEASE_S,
    PREFIX_LENGTH_USUAL,
    Network,
    PoolSpec,
    mistake,
    of_range,
    span_of,
)
from aaa.profiles import ProfileSpec
from app import manifest_values as values
from app.manifest_table import Table
from core.errors import Invalid

PLAN_KEYS: Final = ("ipv4_pool", "ipv6_pool", "delegated_pool")
LEASE_S_MIN: Final = 60
HOLD_S_MIN: Final = 300  # a node says every minute that it lives
LEASE_S_MAX: Final = 31 * 86_400
EXCLUDES_MAX: Final = 1_000


def pool(table: Table) -> PoolSpec:
    table.only(
        *("name", "kind", "networks", "prefix_length", "exclude", "lease_s", "hold_s"),
    )
    kind = table.need("kind", values.one_of(*KINDS))
    lease_s = table.take("lease_s", values.whole(LEASE_S_MIN, LEASE_S_MAX), LEASE_S)
    spec = PoolSpec(
        name=table.need("name", values.name),
        kind=kind,
        networks=_in_order(table.need("networks", values.list_of(_networks))),
        prefix_length=table.take("prefix_length", values.whole(0, 128), PREFIX_LENGTH_USUAL[kind]),
        exclude=table.take("exclude", values.list_of(_excluded), ()),
        lease_s=lease_s,
        hold_s=table.take("hold_s", values.whole(HOLD_S_MIN, LEASE_S_MAX), max(lease_s, HOLD_S)),
    )
    if len(spec.exclude) > EXCLUDES_MAX:
        raise table.wrong("exclude", f"write no more than {EXCLUDES_MAX}")
    wrong = mistake(spec)
    if wrong is not None:
        raise table.wrong(*wrong)
    return spec


def with_pools(spec: ProfileSpec, table: Table) -> ProfileSpec:
    """The plan with the pools of ours that it names."""
    named = replace(
        spec,
        ipv4_pool=table.take("ipv4_pool", values.name, None),
        ipv6_pool=table.take("ipv6_pool", values.name, None),
        delegated_pool=table.take("delegated_pool", values.name, None),
    )
    if named.ipv4_pool is not None and named.address_pool is not None:
        raise table.wrong(
            "ipv4_pool",
            "address_pool names a pool of the NAS, this one of ours: a plan has one of the two",
        )
    return named


def _networks(value: object) -> tuple[Network, ...]:
    try:
        return of_range(values.string(value))
    except ValueError as wrong:
        raise Invalid(str(wrong)) from None


def _in_order(found: tuple[tuple[Network, ...], ...]) -> tuple[Network, ...]:
    """As the database lists them, so that the order of a file is no difference."""
    return tuple(
        sorted((one for some in found for one in some), key=lambda one: (one.version, span_of(one)))
    )


def _excluded(value: object) -> str:
    _networks(value)
    return "-".join(part.strip() for part in values.string(value).split("-"))
