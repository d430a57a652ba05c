"""The personalities by the names that scenarios call them."""

from collections.abc import Mapping
from typing import Final

from app.simulator import accel_ppp, cisco, huawei, ipoe, mikrotik
from app.simulator.personality import Personality

MAKES: Final[Mapping[str, Personality]] = {
    one.name: one
    for one in (
        mikrotik.PPPOE,
        mikrotik.HOTSPOT,
        huawei.PERSONALITY,
        cisco.PERSONALITY,
        accel_ppp.PERSONALITY,
        ipoe.PERSONALITY,
    )
}
