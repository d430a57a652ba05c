"""Whose fault an exception is; to what passes belongs what two nodes do to each other."""

from accounting.rows import Contended
from core import trouble
from core.trouble import in_a_line

__all__ = ["in_a_line", "is_the_worlds"]


def is_the_worlds(error: BaseException) -> bool:
    """Whether trying the same again may help."""
    return isinstance(error, Contended) or trouble.is_the_worlds(error)
