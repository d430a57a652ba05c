"""From a wish to what is sent for it, and from an answer to what is done next.  Pure.

The ladder: CoA, Disconnect, the box's own API, the next login.  A rung is left when the box
cannot be told so, says that it cannot, or has been silent often enough.  It is not left for
a refusal of what we send or by how the box is set up: that would fail all the same, and is
for people.
"""

from dataclasses import dataclass
from typing import Final

from aaa.enforcement import OFF, Rung, State
from aaa.enforcement_print import is_garden
from nas_adapters import error_cause
from nas_adapters.base import SessionRef, Step, Unchangeable, Vendor
from nas_adapters.coa_values import Acked, CoaResult, Ignored, Naked, Silent
from nas_adapters.error_cause import Remedy
from nas_adapters.profile import ServiceProfile

# The reason of a wish that nobody made: what the session has is not known, so it is told once.
# That is no ground to end it.
UNKNOWN: Final = "unknown"

# The cause of what waits for a NAS that is silent, and was not tried itself.
SILENT: Final = "waits: its NAS is silent"
FAULT: Final = "a fault of ours: see the log"

BACK_OFF_S: Final = 30.0  # and twice as long each time
BACK_OFF_S_MAX: Final = 3600.0
SILENT_MAX: Final = 3  # attempts, each with its copies
BUSY_MAX: Final = 5
UNCLEAR_MAX: Final = 2
# A box that was silent on every rung may be back some day.
SILENCE_AGAIN_S: Final = 3600.0
CAUSE_MAX: Final = 400
_NO_ANSWER: Final = "no answer"
_FORGED: Final = "answers with another secret"

_RUNGS: Final = (Rung.COA, Rung.DISCONNECT, Rung.API, Rung.LOGIN)


@dataclass(frozen=True, slots=True)
class Task:
    """A wish on its way: a row that is due."""

    session_id: int
    version: int
    wanted: str  # a print, or OFF
    service: str
    reason: str
    profile: ServiceProfile | None  # of `wanted`; None: OFF
    applied: str
    applied_profile: ServiceProfile | None  # None: nobody knows
    rung: Rung
    attempts: int
    cause: str = ""


@dataclass(frozen=True, slots=True)
class After:
    """What becomes of the row."""

    state: State
    rung: Rung
    attempts: int = 0
    wait_s: float | None = 0.0  # until it is due again; None: never by itself
    cause: str = ""
    error_cause: int | None = None
    applies: bool = False  # the session has by now what was wanted, as far as its NAS says
    is_unclear: bool = False  # or nobody knows any more what it has


def first_rung(service: str) -> Rung:
    return Rung.DISCONNECT if service == OFF else Rung.COA


def steps(task: Task, vendor: Vendor, session: SessionRef) -> tuple[Step, ...] | Unchangeable:
    """What the box is told on the rung of CoA or Disconnect; nothing: it has it already."""
    if task.rung is Rung.DISCONNECT:
        if not vendor.abilities.can_disconnect:
            return Unchangeable("takes no Disconnect-Request")
        step = vendor.disconnect(session)
        return step if isinstance(step, Unchangeable) else (step,)
    assert task.profile is not None
    if not vendor.abilities.can_coa:
        return Unchangeable("takes no CoA-Request")
    if task.applied_profile is None and is_garden(task.applied) and task.service != "garden":
        return Unchangeable("what confines it is not known any more")
    return vendor.change(task.profile, task.applied_profile, session)


def answered(task: Task, result: CoaResult, *, half_done: bool = False) -> After:
    """`half_done`: requests before this one were acknowledged."""
    if isinstance(result, Acked):
        return told(task)
    if isinstance(result, Naked):
        return _refused(task, result, half_done=half_done)
    if isinstance(result, Silent):
        why = f"{_NO_ANSWER} to {result.sends} requests"
        if result.ignored in (Ignored.AUTHENTICATOR, Ignored.SIGNATURE):
            why = _FORGED
        if task.attempts + 1 < SILENT_MAX:
            return _again(task, why, half_done=half_done)
        return moved(task, why, again_s=SILENCE_AGAIN_S, half_done=half_done)
    return moved(task, result.reason, half_done=half_done)


def told(task: Task) -> After:
    """It agreed; what comes next from it shows whether it did."""
    return After(
        State.TOLD, task.rung, task.attempts, None, task.cause, applies=task.rung is Rung.COA
    )


def moved(
    task: Task,
    why: str,
    *,
    number: int | None = None,
    again_s: float | None = None,
    half_done: bool = False,
) -> After:
    """The next rung, or if there is none, the next login; `again_s` after which all of it is
    tried once more: also where silence was left for a rung that this box does not have."""
    rung = _RUNGS[_RUNGS.index(task.rung) + 1]
    if task.reason == UNKNOWN:
        rung = Rung.LOGIN
    is_last = rung is Rung.LOGIN
    if again_s is None and _was_silent(task):
        again_s = SILENCE_AGAIN_S
    return After(
        State.WAITING if is_last else State.DUE,
        rung,
        wait_s=again_s if is_last else 0.0,
        cause=_added(task, why),
        error_cause=number,
        is_unclear=half_done,
    )


def reused(task: Task) -> After:
    """Named to its box, it would be somebody else who is meant."""
    cause = _added(task, "its NAS has given its id to a later session")
    return After(State.STALE, task.rung, wait_s=None, cause=cause)


def locked(task: Task) -> After:
    """Its NAS's secret cannot be opened: until people see to that, and no rung does without."""
    why = "its NAS's secret is sealed with another key: restore the key file, or give it anew"
    cause = _added(task, why)
    return After(State.WAITING, Rung.LOGIN, wait_s=SILENCE_AGAIN_S, cause=cause)


def lied(task: Task, why: str) -> After:
    """It acknowledged, and what it reports since is something else."""
    return moved(task, why, half_done=True)


def _refused(task: Task, nak: Naked, *, half_done: bool) -> After:
    number = nak.error_cause
    why = error_cause.shown(number) + (f" ({nak.message})" if nak.message else "")
    match error_cause.remedy(number):
        case Remedy.NONE | Remedy.WAIT:
            return told(task)
        case Remedy.STALE:
            cause = _added(task, why)
            return After(State.STALE, task.rung, 0, None, cause, number, is_unclear=half_done)
        case Remedy.PROFILE | Remedy.NAS:
            cause = _added(task, why)
            return After(State.STOPPED, task.rung, 0, None, cause, number, is_unclear=half_done)
        case Remedy.BACK_OFF if task.attempts + 1 < BUSY_MAX:
            return _again(task, why, number, half_done=half_done)
        case Remedy.UNCLEAR if task.attempts + 1 < UNCLEAR_MAX:
            return _again(task, why, number, half_done=half_done)
        case _:
            return moved(task, why, number=number, half_done=half_done)


def _again(task: Task, why: str, number: int | None = None, *, half_done: bool) -> After:
    wait_s = min(BACK_OFF_S * 2**task.attempts, BACK_OFF_S_MAX)
    cause = _added(task, why)
    return After(
        State.DUE, task.rung, task.attempts + 1, wait_s, cause, number, is_unclear=half_done
    )


def _was_silent(task: Task) -> bool:
    """On a rung before this one."""
    return any(
        part.partition(": ")[2].startswith((_NO_ANSWER, _FORGED)) for part in task.cause.split("; ")
    )


def _added(task: Task, why: str) -> str:
    """The story so far, each rung with what it last came to."""
    mine = f"{task.rung}: "
    before = [
        part
        for part in task.cause.split("; ")
        if part and part not in (SILENT, FAULT) and not part.startswith(mine)
    ]
    return "; ".join([*before, mine + why.replace("; ", ", ")])[:CAUSE_MAX]
