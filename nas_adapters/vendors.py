"""The dialects by name.  The one list: whatever is not here, no NAS can be."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.errors import NotFound
from nas_adapters import accel_ppp, cisco, generic, huawei_bng, mikrotik
from nas_adapters.base import Vendor

_ALL: Final[tuple[Vendor, ...]] = (accel_ppp, cisco, generic, huawei_bng, mikrotik)

VENDORS: Final[Mapping[str, Vendor]] = MappingProxyType({each.name: each for each in _ALL})


class VendorNotFound(NotFound):
    """No dialect of that name."""


def vendor(name: str) -> Vendor:
    """The dialect that `name` means: `accel-ppp` and `Accel_PPP` are one; keep its `.name`.

    Raises:
        VendorNotFound: and names those there are.
    """
    found = VENDORS.get(name) or VENDORS.get(name.strip().lower().replace("-", "_"))
    if found is None:
        raise VendorNotFound(f"vendor {name!r} is not known; there are {', '.join(VENDORS)}")
    return found
