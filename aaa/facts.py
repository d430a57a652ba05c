"""One decision's facts from the directory's records: the same at login and when asked why."""

from typing import Final

from msgspec.structs import replace

from aaa.places import Occupied
from aaa.policy import FOREVER, Facts
from aaa.records import ProfileRecord, Quota, SubscriberRecord, Used

# Who is to be slowed down at the end of his quota is told so by CoA after the report that
# passes it; the NAS cuts only where that did not happen (a backstop).
GRACE_INTERVALS: Final = 2
INTERIM_S: Final = 300  # where the plan leaves it to the NAS
UNLIMITED_BPS: Final = 1_000_000_000


def facts_of(
    record: SubscriberRecord | None,
    profile: ProfileRecord | None,
    now_s: int,
    nas_id: int,
    mac: str,
    others: Occupied,
    guesses_exceeded: bool,
    proof: str,
    proof_reason: str,
    found_by: str = "",
) -> Facts:
    """`record` is None for a name that nobody has, `profile` for one without a plan; `others`
    is what other devices hold."""
    if record is None:
        return Facts(
            now_s,
            known=False,
            guesses_exceeded=guesses_exceeded,
            proof=proof,
            proof_reason=proof_reason,
            found_by=found_by,
        )
    if profile is not None and not record.id:
        # What nobody's device gets is counted for nobody.
        profile = replace(profile, session_limit=0, quota=None)
    quota = profile.quota if profile is not None else None
    facts = Facts(
        now_s,
        True,
        profile is not None,
        record.holds,
        record.valid_until_s,
        nas_id,
        record.bound_nas_ids,
        mac,
        record.bound_macs,
        others.open,
        others.reserved,
        others.session_ids,
        0 if profile is None else profile.session_limit,
        "reject" if profile is None else profile.at_limit,
        guesses_exceeded,
        proof,
        proof_reason,
        0 if profile is None else profile.session_timeout_s or 0,
        found_by=found_by,
    )
    if quota is None:
        return facts
    facts = _with_quota(facts, quota, record.quota)
    if quota.at != "throttle":
        return facts
    assert profile is not None
    grace_s = GRACE_INTERVALS * (profile.interim_s or INTERIM_S)
    return replace(facts, grace_s=grace_s, grace_octets=_bps(profile, quota) * grace_s // 8)


def _bps(profile: ProfileRecord, quota: Quota) -> int:
    """What can pass of that which the quota counts."""
    download_bps = profile.download_bps or UNLIMITED_BPS
    upload_bps = profile.upload_bps or UNLIMITED_BPS
    if quota.direction == "download":
        return download_bps
    return upload_bps if quota.direction == "upload" else download_bps + upload_bps


def _with_quota(facts: Facts, quota: Quota, used: Used | None) -> Facts:
    octets, time_s = 0, 0
    if used is not None and (used.window_ends_s == FOREVER or facts.now_s < used.window_ends_s):
        octets, time_s = used.octets, used.time_s
    return replace(
        facts,
        at_quota=quota.at,
        quota_octets_left=None if quota.octets is None else max(0, quota.octets - octets),
        quota_time_left_s=None if quota.time_s is None else max(0, quota.time_s - time_s),
        used_octets=octets,
        used_time_s=time_s,
        is_weighed=quota.is_weighed,
    )
