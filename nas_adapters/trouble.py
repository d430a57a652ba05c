"""What can go wrong when we ask a box something over its own interface, told by name.

Each says the cause and what to do about it, because the person who reads it sits before
two machines and has to know which of them to touch.  Nothing here knows a protocol.
"""

from core.errors import Conflict, NotAllowed, NotFound, Refused


class NasTrouble(Refused):
    """Base: `cause` is what was seen, `remedy` what a person can do."""

    def __init__(self, nas: str, cause: str, remedy: str) -> None:
        super().__init__(f"NAS {nas}: {cause}: {remedy}" if remedy else f"NAS {nas}: {cause}")
        self.nas = nas
        self.cause = cause
        self.remedy = remedy


class NoAnswer(NasTrouble, Conflict):
    """Nobody is there, or nobody answered in time.  Whether it was done is not known."""


class NotLetIn(NasTrouble, NotAllowed):
    """The box does not let us in, or is not the one that we were told to trust."""


class WillNot(NasTrouble, Conflict):
    """The box understood and refused, or does not know what was asked."""


class NotThere(NasTrouble, NotFound):
    """The box knows no such session, client or entry."""
