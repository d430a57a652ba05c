"""What subscribers get, under a code.  Billing sells plans; AAA alone knows only profiles."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from aaa import enforcement_jobs, on_nas, zones
from aaa.models import Profile
from aaa.on_nas import NOTHING, OnNas
from aaa.pools_models import Pool
from aaa.quota import THRESHOLDS
from aaa.zones import Zone
from core.db import Tx
from nas_adapters.profile import Burst


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """A profile as an operator describes it: bit/s and seconds; None leaves it to the NAS."""

    code: str
    download_bps: int | None = None
    upload_bps: int | None = None
    burst: Burst | None = None
    session_limit: int = 0  # 0: none
    at_limit: str = "reject"  # reject | kick_oldest
    session_timeout_s: int | None = None
    interim_s: int | None = 300
    address_pool: str | None = None  # one that the NAS has
    on_nas: OnNas = NOTHING
    ipv4_pool: str | None = None  # these name pools of ours (`aaa.pools`)
    ipv6_pool: str | None = None
    delegated_pool: str | None = None
    quota_octets: int | None = None  # with neither this nor the next: no quota
    quota_time_s: int | None = None
    quota_direction: str = "total"  # total | download | upload
    quota_window: str = "anchor"  # `aaa.quota_windows`
    at_quota: str = "nothing"  # throttle | block | walled_garden | nothing
    fup_download_bps: int | None = None  # once all is used, of a throttle
    fup_upload_bps: int | None = None
    zones: tuple[Zone, ...] = ()
    thresholds: tuple[int, ...] = THRESHOLDS  # per cent


@dataclass(frozen=True, slots=True)
class StoredProfile:
    id: int
    spec: ProfileSpec


async def all_of(tx: Tx, codes: Collection[str] | None = None) -> dict[str, StoredProfile]:
    """Every profile of the tenant by code, or those of these codes that exist."""
    query = select(Profile).order_by(Profile.code).execution_options(populate_existing=True)
    if codes is not None:
        query = query.where(Profile.code.in_(codes))
    pools = {number: name for name, number in (await _pools(tx)).items()}
    return {row.code: _stored(row, pools) for row in await tx.scalars(query)}


async def put(tx: Tx, tenant_id: int, specs: Sequence[ProfileSpec]) -> None:
    """Make the profiles of these codes what `specs` say; each is one change to the directory.

    The pools that they name are there.
    """
    if not specs:
        return
    pools = await _pools(tx)
    known = await tx.scalars(select(Profile.id).where(Profile.code.in_([s.code for s in specs])))
    await enforcement_jobs.leave_for_profiles(tx, tenant_id, known.all())
    rows = [{"tenant_id": tenant_id, **_values(spec, pools)} for spec in specs]
    statement = insert(Profile)
    replaced = {column: statement.excluded[column] for column in rows[0] if column != "tenant_id"}
    await tx.execute(
        statement.on_conflict_do_update(index_elements=["tenant_id", "code"], set_=replaced),
        rows,
        # Without it, None would be left out of the INSERT and become the column's default.
        execution_options={"render_nulls": True},
    )


async def _pools(tx: Tx) -> dict[str, int]:
    return {row.name: row.id for row in await tx.execute(select(Pool.name, Pool.id))}


def _stored(row: Profile, pools: Mapping[int, str]) -> StoredProfile:
    burst = None
    if row.burst_download_bps is not None:
        burst = Burst(
            row.burst_download_bps,
            row.burst_upload_bps or 0,
            row.burst_threshold_bps,
            row.burst_time_s or 1,
        )
    return StoredProfile(
        row.id,
        ProfileSpec(
            code=row.code,
            download_bps=row.download_bps,
            upload_bps=row.upload_bps,
            burst=burst,
            session_limit=row.session_limit,
            at_limit=row.at_limit,
            session_timeout_s=row.session_timeout_s,
            interim_s=row.interim_s,
            address_pool=row.address_pool,
            on_nas=on_nas.restored(row.on_nas),
            ipv4_pool=pools[row.ipv4_pool_id] if row.ipv4_pool_id else None,
            ipv6_pool=pools[row.ipv6_pool_id] if row.ipv6_pool_id else None,
            delegated_pool=pools[row.delegated_pool_id] if row.delegated_pool_id else None,
            quota_octets=row.quota_octets,
            quota_time_s=row.quota_time_s,
            quota_direction=row.quota_direction,
            quota_window=row.quota_window,
            at_quota=row.at_quota,
            fup_download_bps=row.fup_download_bps,
            fup_upload_bps=row.fup_upload_bps,
            zones=zones.restored(row.zones),
            thresholds=tuple(row.thresholds),
        ),
    )


def _values(spec: ProfileSpec, pools: Mapping[str, int]) -> dict[str, object]:
    burst = spec.burst
    return {
        "code": spec.code,
        "download_bps": spec.download_bps,
        "upload_bps": spec.upload_bps,
        "burst_download_bps": burst.download_bps if burst else None,
        "burst_upload_bps": burst.upload_bps if burst else None,
        "burst_threshold_bps": burst.threshold_bps if burst else None,
        "burst_time_s": burst.time_s if burst else None,
        "session_limit": spec.session_limit,
        "at_limit": spec.at_limit,
        "session_timeout_s": spec.session_timeout_s,
        "interim_s": spec.interim_s,
        "address_pool": spec.address_pool,
        "on_nas": on_nas.stored(spec.on_nas),
        "ipv4_pool_id": pools[spec.ipv4_pool] if spec.ipv4_pool else None,
        "ipv6_pool_id": pools[spec.ipv6_pool] if spec.ipv6_pool else None,
        "delegated_pool_id": pools[spec.delegated_pool] if spec.delegated_pool else None,
        "quota_octets": spec.quota_octets,
        "quota_time_s": spec.quota_time_s,
        "quota_direction": spec.quota_direction,
        "quota_window": spec.quota_window,
        "at_quota": spec.at_quota,
        "fup_download_bps": spec.fup_download_bps,
        "fup_upload_bps": spec.fup_upload_bps,
        "zones": zones.stored(spec.zones),
        "thresholds": list(spec.thresholds),
    }
