"""The end of a simulation, for people and for programs.  Pure."""

from array import array
from typing import Any

from app.simulator.events import What
from app.simulator.tally import Tally, Told, quantile_s

LOGINS = {
    "accepted": What.ACCEPTED,
    "rejected": What.REJECTED,
    "unanswered": What.LOGIN_UNANSWERED,
    "unusable": What.UNUSABLE,
}
RECORDS = {"acknowledged": What.ACKNOWLEDGED, "unacknowledged": What.UNACKNOWLEDGED}
COA = {"acked": What.ACKED, "naked": What.NAKED, "ignored": What.IGNORED}


def document(tally: Tally, *, seed: int, unbelieved: int, pending: int) -> dict[str, Any]:
    """All of it, each session with what it really carried and what was acknowledged of that.

    `unbelieved` are replies that were not authentic or came too late, `pending` questions
    that were still open at the end.
    """
    counts = tally.counts

    def group(names: dict[str, What]) -> dict[str, Any]:
        return {name: counts[what] for name, what in names.items()}

    return {
        "seed": seed,
        "logins": group(LOGINS)
        | {"ms": _quantiles(tally.login_s), "rejections": dict(tally.rejections)},
        "records": group(RECORDS) | {"ms": _quantiles(tally.record_s)},
        "coa": {"received": sum(counts[what] for what in COA.values())}
        | group(COA)
        | {"error_causes": {str(cause): n for cause, n in sorted(tally.error_causes.items())}},
        "open_questions": pending,
        "unbelieved_replies": unbelieved,
        "input_octets": sum(one.input_octets for one in tally.sessions),
        "output_octets": sum(one.output_octets for one in tally.sessions),
        "sessions": [_session(told) for told in tally.sessions.values()],
    }


def lines(found: dict[str, Any], sessions: int) -> dict[str, object]:
    """The same for a person: a line for each fact."""
    logins, records, coa = found["logins"], found["records"], found["coa"]
    return {
        "seed": found["seed"],
        "logins": _counted(logins, LOGINS),
        "login latency": _latency(logins["ms"]),
        "sessions": sessions,
        "records": _counted(records, RECORDS),
        "record latency": _latency(records["ms"]),
        "coa": f"{coa['received']} received, {_counted(coa, COA)}",
        "open at the end": found["open_questions"],
        "unbelieved replies": found["unbelieved_replies"],
        "octets": f"{found['input_octets']} from subscribers, {found['output_octets']} to them",
    }


def progress(tally: Tally, online: int, played_s: float) -> str:
    """One line, while it goes on."""
    counts = tally.counts
    minutes, seconds = divmod(int(played_s), 60)
    return (
        f"{minutes:3}:{seconds:02}  online {online}  accepted {counts[What.ACCEPTED]}"
        f"  rejected {counts[What.REJECTED]}  records {counts[What.ACKNOWLEDGED]}"
        f"  coa {counts[What.ACKED]}+{counts[What.NAKED]}"
        f"  unanswered {counts[What.LOGIN_UNANSWERED] + counts[What.UNACKNOWLEDGED]}"
    )


def _session(told: Told) -> dict[str, Any]:
    session, last = told.session, told.acknowledged
    ended_s = session.counted_at_s if session.ended_s is None else session.ended_s
    return {
        "nas": told.nas,
        "acct_session_id": session.acct_session_id,
        "username": session.username,
        "is_online": session.is_online,
        "terminate_cause": session.cause or None,
        "session_time_s": int(ended_s - session.began_s),
        "input_octets": session.input_octets,
        "output_octets": session.output_octets,
        "acknowledged": None
        if last is None
        else {
            "session_time_s": last.session_time_s,
            "input_octets": last.input_octets,
            "output_octets": last.output_octets,
        },
    }


def _quantiles(sample: "array[float]") -> dict[str, float]:
    return {
        name: round(quantile_s(sample, part) * 1000, 3)
        for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


def _latency(ms: dict[str, float]) -> str:
    return f"p50 {ms['p50']:.1f} ms, p99 {ms['p99']:.1f} ms, longest {ms['max']:.1f} ms"


def _counted(found: dict[str, Any], names: dict[str, What]) -> str:
    return ", ".join(f"{found[name]} {name}" for name in names)
