"""The pools of a manifest: compared, written, and kept apart from those of the NASes by name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aaa import pools
from aaa.pools import StoredPool
from aaa.pools_plan import DELEGATED_PREFIX, IPV4, IPV6_PREFIX, PoolSpec
from aaa.profiles import ProfileSpec
from app.manifest_difference import changes
from core.db import Tx
from core.errors import Conflict, NotFound

_KINDS: Final = {"ipv4_pool": IPV4, "ipv6_pool": IPV6_PREFIX, "delegated_pool": DELEGATED_PREFIX}


async def put_pools(
    tx: Tx, tenant_id: int, specs: Sequence[PoolSpec], plans: Iterable[ProfileSpec]
) -> list[str]:
    """Make the pools what the file says, and tell the difference; `plans` are all there will be.

    Raises:
        NotFound: a plan names a pool that there is not.
        Conflict: pools overlap, or a plan names one that does not give what it should.
    """
    stored = await pools.all_of(tx)
    lines: list[str] = []
    touched = []
    for spec in specs:
        old = stored.get(spec.name)
        if old is None:
            lines.append(f"+ pool {spec.name}")
        elif changed := changes(old.spec, spec):
            lines.append(f"~ pool {spec.name}: {', '.join(changed)}")
        else:
            continue
        touched.append(spec)
    _refuse_wrong_names(plans, stored, specs)
    await pools.put(tx, tenant_id, touched, stored)
    return lines


def _refuse_wrong_names(
    plans: Iterable[ProfileSpec], stored: Mapping[str, StoredPool], specs: Sequence[PoolSpec]
) -> None:
    known = {name: one.spec.kind for name, one in stored.items()}
    known |= {spec.name: spec.kind for spec in specs}
    for plan in plans:
        for key, kind in _KINDS.items():
            name = getattr(plan, key)
            if name is None:
                continue
            if name not in known:
                there = ", ".join(sorted(known)[:10]) or "none"
                raise NotFound(
                    f"plan {plan.code}: {key} = {name!r}: there is no such pool of ours (there are "
                    f"{there}); a pool of the NAS is named by address_pool"
                )
            if known[name] != kind:
                raise Conflict(
                    f"plan {plan.code}: {key} = {name!r}: that pool is of kind {known[name]}, "
                    f"this takes {kind}"
                )
        if plan.address_pool in known:
            raise Conflict(
                f"plan {plan.code}: address_pool = {plan.address_pool!r} names a pool of the NAS, "
                "and there is one of ours of that name: write ipv4_pool, or call one otherwise"
            )
