"""How the NAS of a record counted when the record came: one number, kept with the raw packet.

The settings of a NAS are corrected, and what a box sends is learned; sessions and usage are
projections of raw packets, so what a packet was read with belongs to it, or a rebuild would
count the past by the settings of today and differ from what has been billed.  Who wants
just that (the past with a corrected setting) gives `read` another `NasView`.

``None`` is a box that nothing is known of: no swap, no gigawords, no line rate, octets.
"""

from typing import Final

from accounting.records import NasView, Record
from nas_adapters.counting import OCTET_UNITS

_SWAPPED: Final = 1
_SENDS_GIGAWORDS: Final = 2
_LINE_AT: Final = 2  # the line rate is in the bits above the two
_LINE_BITS: Final = 48  # 10^14 is the most
_UNIT_AT: Final = _LINE_AT + _LINE_BITS  # above it, the number of the unit among those there are


def counted_as(record: Record, nas: NasView) -> int | None:
    """What to keep with the packet that `nas` made `record` of."""
    return (
        OCTET_UNITS.index(nas.octet_unit) << _UNIT_AT
        | (nas.line_bps or 0) << _LINE_AT
        | (_SENDS_GIGAWORDS if nas.sends_gigawords else 0)
        | (_SWAPPED if record.swapped else 0)
    ) or None


def view_of(nas_id: int, tenant_id: int, kept: int | None) -> NasView:
    """The NAS with which the same packet makes the same record again."""
    kept = kept or 0
    return NasView(
        nas_id,
        tenant_id,
        swap_octets=bool(kept & _SWAPPED),
        line_bps=(kept >> _LINE_AT) & ((1 << _LINE_BITS) - 1) or None,
        sends_gigawords=bool(kept & _SENDS_GIGAWORDS),
        octet_unit=OCTET_UNITS[kept >> _UNIT_AT],
    )
