"""Reading the ONUs of an OLT: its columns are walked, its dialect understands them.

The list of dialects is here, because whoever reads needs all of them.  An OLT answers its
optical tables slowly; `within` keeps the walk to one port (2 s instead of 151 s for a
whole C600, as one project measured).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nas_adapters.api_access import OLTS
from nas_adapters.olt import bdcom, cdata, huawei, vsol, zte_c300, zte_c600
from nas_adapters.olt.onu import Column, Olt, Onu
from nas_adapters.snmp import Agent
from nas_adapters.snmp_values import Oid, Value
from nas_adapters.trouble import WillNot

_ALL: Final[tuple[Olt, ...]] = (huawei, zte_c300, zte_c600, vsol, bdcom, cdata)
DIALECTS: Final[Mapping[str, Olt]] = MappingProxyType({each.name: each for each in _ALL})
assert tuple(DIALECTS) == OLTS, "what a manifest may name is what can be read"

_IF_NAME: Final[Oid] = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
_NAMES_AT_ONCE: Final = 20


async def onus(agent: Agent, olt: Olt, *, within: Oid = ()) -> list[Onu]:
    """Every ONU, or those whose index begins with `within`.

    Raises:
        WillNot: not one, so these are not the tables of that OLT.
        NoAnswer, NotLetIn: what `Agent.walk` says.
    """
    tables: dict[str, Column] = {
        name: {(*within, *rest): value for rest, value in await agent.walk((*column, *within))}
        for name, column in olt.columns.items()
    }
    tables["ports"] = await _ports(agent, olt, tables)
    found = olt.decode(tables)
    if not found and not within:
        raise WillNot(
            agent.nas,
            f"it has no ONU in the tables of {olt.name}",
            "see that snmp.olt is its kind, and that its SNMP view shows enterprises",
        )
    return found


async def _ports(agent: Agent, olt: Olt, tables: Mapping[str, Column]) -> Column:
    """The names of the interfaces that the ONUs are on, or are."""
    wanted = sorted(
        {
            port
            for column in tables.values()
            for index in column
            if (port := olt.port_of(index)) is not None
        }
    )
    names: dict[Oid, Value] = {}
    for at in range(0, len(wanted), _NAMES_AT_ONCE):
        some = [(*_IF_NAME, port) for port in wanted[at : at + _NAMES_AT_ONCE]]
        found = await agent.get(some)
        names |= {oid[len(_IF_NAME) :]: value for oid, value in found.items()}
    return names
