"""Whose fault an exception is: the world's, which passes, or the data's and our own.

The database refusing *data* (a value out of range, a constraint) is about the data; all
else that it may say (away, restarting, full, a deadlock, a missing table) is about itself.
"""

from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

_OF_DATA: Final = ("22", "23")  # SQLSTATE classes: data exception, integrity constraint


def is_the_worlds(error: BaseException) -> bool:
    """Whether trying the same again may help."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig.__cause__ or error.orig
        return is_the_worlds(cause) if cause is not error else True
    if isinstance(error, asyncpg.DataError):  # before it left this process
        return False
    if isinstance(error, asyncpg.PostgresError):
        return not (error.sqlstate or "").startswith(_OF_DATA)
    # asyncpg's own confusion over a connection that ends at a bad moment is one that ended.
    lost = (asyncpg.InterfaceError, asyncpg.InternalClientError)
    worlds = (OSError, TimeoutError, SQLAlchemyError, *lost, MemoryError)
    return isinstance(error, worlds)


def in_a_line(error: BaseException) -> str:
    """What happened, short enough for a log or a listing.

    Only the first line: SQLAlchemy tells the parameters of a statement on the others.
    """
    said = str(error)
    return (f"{type(error).__name__}: {said}" if said else type(error).__name__).splitlines()[0][
        :200
    ]
