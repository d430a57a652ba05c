"""The one exception of the codec.  Knows no attribute: whoever raises says what to do instead."""


class CodecError(ValueError):
    """A value that cannot be put into an attribute, or a hidden one that cannot be revealed.

    `str()` is for the operator who wrote the value: what is wrong, and what to write.
    """
