"""Why a NAS refuses a change or a disconnect, and what to do about it (RFC 5176 §3.5).

Pure.  Whether it is done, and by which rung of the ladder next, is decided above.
"""

from enum import Enum, StrEnum


class Remedy(StrEnum):
    """What an answer means for whoever wanted the change."""

    NONE = "none"  # it is as it was wanted
    STALE = "stale"  # there is no such session: reconcile ours, do not ask again
    PROFILE = "profile"  # what we send to this vendor is wrong: stop, and tell a person
    NAS = "nas"  # the box is set up to refuse: stop, and tell a person
    OTHER_WAY = "other-way"  # it cannot be asked like that: the next rung
    BACK_OFF = "back-off"  # ask again later, and later still
    WAIT = "wait"  # the box asks us first: an Access-Request follows
    UNCLEAR = "unclear"  # refused without a reason that we know: look whether it was done


class ErrorCause(Enum):
    """The numbers of RFC 5176 §3.5, with the names that the dictionaries have for them."""

    RESIDUAL_CONTEXT_REMOVED = (
        201, "Residual-Context-Removed", Remedy.NONE,
        "the session had ended; what was left of it is removed",
    )  # fmt: skip
    INVALID_EAP_PACKET = (
        202, "Invalid-EAP-Packet", Remedy.NONE,
        "an EAP packet was ignored; no concern of a change",
    )  # fmt: skip
    UNSUPPORTED_ATTRIBUTE = (
        401, "Unsupported-Attribute", Remedy.PROFILE,
        "an attribute of the request is not known to it, or not allowed there",
    )  # fmt: skip
    MISSING_ATTRIBUTE = (
        402, "Missing-Attribute", Remedy.PROFILE,
        "it wants an attribute that the request lacks, mostly one that names the session",
    )  # fmt: skip
    NAS_IDENTIFICATION_MISMATCH = (
        403, "NAS-Identification-Mismatch", Remedy.NAS,
        "NAS-IP-Address or NAS-Identifier is not what it calls itself",
    )  # fmt: skip
    INVALID_REQUEST = (
        404, "Invalid-Request", Remedy.PROFILE,
        "it cannot do what the request asks for, e.g. it knows no profile of that name",
    )  # fmt: skip
    UNSUPPORTED_SERVICE = (
        405, "Unsupported-Service", Remedy.PROFILE,
        "the Service-Type is not one that it offers",
    )  # fmt: skip
    UNSUPPORTED_EXTENSION = (
        406, "Unsupported-Extension", Remedy.OTHER_WAY,
        "it does not take this kind of request at all",
    )  # fmt: skip
    INVALID_ATTRIBUTE_VALUE = (
        407, "Invalid-Attribute-Value", Remedy.PROFILE,
        "an attribute has a value that it cannot use",
    )  # fmt: skip
    ADMINISTRATIVELY_PROHIBITED = (
        501, "Administratively-Prohibited", Remedy.NAS,
        "its configuration forbids this",
    )  # fmt: skip
    PROXY_REQUEST_NOT_ROUTABLE = (
        502, "Proxy-Request-Not-Routable", Remedy.BACK_OFF,
        "a proxy on the way does not know how to reach it",
    )  # fmt: skip
    SESSION_CONTEXT_NOT_FOUND = (
        503, "Session-Context-Not-Found", Remedy.STALE,
        "it knows no such session",
    )  # fmt: skip
    SESSION_CONTEXT_NOT_REMOVABLE = (
        504, "Session-Context-Not-Removable", Remedy.BACK_OFF,
        "it has the session and could not end it",
    )  # fmt: skip
    PROXY_PROCESSING_ERROR = (
        505, "Proxy-Processing-Error", Remedy.BACK_OFF,
        "a proxy on the way failed",
    )  # fmt: skip
    RESOURCES_UNAVAILABLE = (
        506, "Resources-Unavailable", Remedy.BACK_OFF,
        "it has no room for this now",
    )  # fmt: skip
    REQUEST_INITIATED = (
        507, "Request-Initiated", Remedy.WAIT,
        "it asks for the session's new service by an Access-Request",
    )  # fmt: skip
    MULTIPLE_SESSION_SELECTION_UNSUPPORTED = (
        508, "Multiple-Session-Selection-Unsupported", Remedy.PROFILE,
        "the request names several sessions, and it takes one at a time",
    )  # fmt: skip

    def __init__(self, number: int, called: str, remedy: Remedy, meaning: str) -> None:
        self.number = number
        self.called = called
        self.remedy = remedy
        self.meaning = meaning


_BY_NUMBER = {cause.number: cause for cause in ErrorCause}


def error_cause(number: int | None) -> ErrorCause | None:
    """The cause of this number, or None: a NAS may give none, or one that is not registered."""
    return None if number is None else _BY_NUMBER.get(number)


def remedy(number: int | None) -> Remedy:
    """What a refusal with this Error-Cause calls for."""
    cause = error_cause(number)
    return Remedy.UNCLEAR if cause is None else cause.remedy


def shown(number: int | None) -> str:
    """For a person: ``503 Session-Context-Not-Found: it knows no such session``."""
    if number is None:
        return "refused without an Error-Cause"
    cause = error_cause(number)
    return (
        f"Error-Cause {number}, which RFC 5176 does not know"
        if cause is None
        else f"{number} {cause.called}: {cause.meaning}"
    )
