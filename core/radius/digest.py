"""MD5 as RADIUS needs it, in one place, because every packet is hashed two or three times.

CPython's own C module costs half of what hashlib's OpenSSL wrapper does for a short input.
"""

from collections.abc import Callable
from typing import Protocol, Self


class Digest(Protocol):
    """What this project uses of a hash object."""

    def update(self, octets: bytes, /) -> None: ...
    def copy(self) -> Self: ...
    def digest(self) -> bytes: ...


try:
    from _md5 import md5 as _md5
except ImportError:  # a Python built without it
    import hashlib
    from functools import partial

    _md5 = partial(hashlib.md5, usedforsecurity=False)

md5: Callable[[bytes], Digest] = _md5
