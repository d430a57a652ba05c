"""One decision's facts from the directory's records: the same at login and when asked why."""

from aaa.places import Occupied
from aaa.policy import Facts
from aaa.records import ProfileRecord, SubscriberRecord


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
        )
    return Facts(
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
    )
