"""ZTE as `zte`, for a box that reads its rates in bit/s (third-party code only, one project)."""

from nas_adapters import zte
from nas_adapters.base import (
    UINT32_MAX,
    Abilities,
    Attr,
    SessionRef,
    Step,
    Unchangeable,
)
from nas_adapters.changing import changed
from nas_adapters.profile import ServiceProfile
from nas_adapters.zte import RULES, counting, disconnect, identify, limits

__all__ = [
    "abilities",
    "change",
    "coa_port",
    "counting",
    "disconnect",
    "identify",
    "limits",
    "name",
    "render",
]

name = "zte_bps"
coa_port = zte.coa_port
abilities = Abilities(max_rate_bps=UINT32_MAX)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    return zte.render(profile, unit_bps=1)


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    return changed(render(wanted), None if applied is None else render(applied), session, RULES)
