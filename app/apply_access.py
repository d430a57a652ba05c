"""What devices that nobody knows get on a NAS: a plan that there is, and that can be given so."""

from collections.abc import Mapping

from aaa.profiles import ProfileSpec
from core.errors import Invalid, NotFound
from nas_adapters.registry import REJECT, NasSpec


def refuse_strangers(nases: Mapping[str, NasSpec], plans: Mapping[str, ProfileSpec]) -> None:
    """Both as they will be.

    Raises:
        NotFound: a NAS names a plan that there is not.
        Invalid: the plan gives addresses of ours: who keeps a lease of nobody's?
    """
    for name, nas in nases.items():
        code = nas.unknown_devices
        if code == REJECT:
            continue
        at = f"nas {name}: unknown_devices = {code!r}"
        plan = plans.get(code)
        if plan is None:
            there = ", ".join(sorted(plans)[:10]) or "none"
            raise NotFound(f"{at}: there is no such plan; there are {there}; or write {REJECT!r}")
        if plan.ipv4_pool or plan.ipv6_pool or plan.delegated_pool:
            raise Invalid(
                f"{at}: this plan gives addresses out of pools of ours, and a device that nobody"
                " knows gets none of these; name a pool of the NAS (address_pool) instead"
            )
