"""In what a box counts: octets by the RFCs, and on some boxes by a setting something larger."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# As an operator writes it, and how many octets that is.  Huawei's "kbyte" is taken as 1024
# (unconfirmed); whoever knows better writes kB.
UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "octet": 1,
        "kB": 10**3,
        "KiB": 2**10,
        "MB": 10**6,
        "MiB": 2**20,
        "GB": 10**9,
        "GiB": 2**30,
    }
)
OCTET_UNITS: Final = tuple(UNITS.values())
NAMES: Final[Mapping[int, str]] = MappingProxyType({size: name for name, size in UNITS.items()})
