"""The four ways an operation can be refused.  Anything else is a bug or the weather.

Each domain subclasses these where the refusal happens (`NasNotFound`); shells
catch only these four and translate them into an exit code or a status.
"""


class Refused(Exception):
    """Base: the request was understood and will not be done.  `str()` is for the person asking."""


class NotFound(Refused):
    """What was named does not exist, or not for this tenant."""


class Invalid(Refused):
    """What was given cannot be used; `field` names the input, if one is to blame."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Conflict(Refused):
    """It was possible once, or for someone else: taken, in use, changed meanwhile."""


class NotAllowed(Refused):
    """Someone else may do this."""
