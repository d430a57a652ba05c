"""Rates as people write them, ``50M``, and as everything else counts them: bits a second.

Decimal, as vendors and plans mean it: 1k = 1_000 bit/s, 50M = 50_000_000, 1G = 10^9.
The one place that knows the letters; configuration and `turnpike apply` both come here.
"""

import re
from decimal import Decimal
from typing import Final

_MULTIPLIERS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_RATE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,12})?)([kmgt]?)", re.IGNORECASE | re.ASCII)
RATE_BPS_MAX: Final = 100 * 10**12
REMEDY: Final = "write a rate as 50M, 1.5G, 512k or a whole number of bit/s"


def parse_rate_bps(written: object) -> int:
    """``"50M"`` is 50_000_000.

    Raises:
        ValueError: not a rate, not a whole number of bits, zero, or beyond 100 Tbit/s.
    """
    match = _RATE.fullmatch(str(written).strip())  # also turns away True, None and lists
    if match is None:
        raise ValueError(f"not a rate: {REMEDY}")
    rate = Decimal(match[1]) * _MULTIPLIERS[match[2].lower()]
    if rate != int(rate):
        raise ValueError(f"not a whole number of bits a second: {REMEDY}")
    if not 1 <= rate <= RATE_BPS_MAX:
        raise ValueError("a rate is between 1 bit/s and 100T; leave it out for no limit")
    return int(rate)


def rate_text(bps: int) -> str:
    """The shortest text that `parse_rate_bps` reads back: 50_000_000 is ``50M``."""
    for letter, multiplier in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if bps % multiplier == 0 and bps:
            return f"{bps // multiplier}{letter}"
    return str(bps)
