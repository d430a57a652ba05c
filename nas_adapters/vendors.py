"""The dialects by name.  The one list: whatever is not here, no NAS can be."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.errors import NotFound
from nas_adapters import (
    accel_ppp,
    cambium,
    cisco,
    cisco_xr,
    coovachilli,
    edgerouter,
    generic,
    hostapd,
    huawei_bng,
    huawei_campus,
    juniper,
    mikrotik,
    nokia,
    pfsense,
    ruckus,
    unifi,
    wispr,
    zte,
    zte_bps,
)
from nas_adapters.base import Vendor

_ALL: Final[tuple[Vendor, ...]] = (
    accel_ppp,
    cambium,
    cisco,
    cisco_xr,
    coovachilli,
    edgerouter,
    generic,
    hostapd,
    huawei_bng,
    huawei_campus,
    juniper,
    mikrotik,
    nokia,
    pfsense,
    ruckus,
    unifi,
    wispr,
    zte,
    zte_bps,
)

VENDORS: Final[Mapping[str, Vendor]] = MappingProxyType({each.name: each for each in _ALL})

# Other names that people have for one.  A maker with two families (Huawei, Ubiquiti) has none:
# the same numbers mean other things there.
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cisco_isg": "cisco",
        "chillispot": "coovachilli",
        "coova_chilli": "coovachilli",
        "routeros": "mikrotik",
        "nokia_sros": "nokia",
        "openwrt": "hostapd",
    }
)


class VendorNotFound(NotFound):
    """No dialect of that name."""


def vendor(name: str) -> Vendor:
    """The dialect that `name` means: `accel-ppp` and `Accel_PPP` are one; keep its `.name`.

    Raises:
        VendorNotFound: and names those there are.
    """
    found = VENDORS.get(name)
    if found is None:
        written = name.strip().lower().replace("-", "_")
        found = VENDORS.get(ALIASES.get(written, written))
    if found is None:
        raise VendorNotFound(f"vendor {name!r} is not known; there are {', '.join(VENDORS)}")
    return found
