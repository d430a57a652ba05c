"""A hotspot that speaks WISPr and nothing of its own: as `generic`, but a name is a guest's."""

from nas_adapters import asking
from nas_adapters.base import (
    COA_PORT,
    NO_PATTERNS,
    UINT32_MAX,
    Abilities,
    Identity,
    Patterns,
    Request,
)
from nas_adapters.generic import change, counting, disconnect, limits, render
from nas_adapters.identity import Kind

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

name = "wispr"
coa_port = COA_PORT
abilities = Abilities(max_rate_bps=UINT32_MAX)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, otherwise=Kind.HOTSPOT)
