"""Rates, amounts and times as people write them, and as everything else counts them.

Rates are bits a second and decimal, as vendors and plans mean it: 50M = 50_000_000.
Amounts are octets, and say which of the two they mean: 100GB = 100 * 10^9, 100GiB = 100 *
2^30.  The one place that knows the letters; configuration and `turnpike apply` come here.
"""

import re
from decimal import Decimal
from typing import Final

_MULTIPLIERS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_RATE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,12})?)([kmgt]?)", re.IGNORECASE | re.ASCII)
RATE_BPS_MAX: Final = 100 * 10**12
REMEDY: Final = "write a rate as 50M, 1.5G, 512k or a whole number of bit/s"

_OCTETS: Final = {
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "": 1,
}  # fmt: skip
_AMOUNT: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,12})?) ?([kmgt]i?b|)", re.I | re.ASCII)
OCTETS_MAX: Final = 10**18
OCTETS_REMEDY: Final = "write an amount as 100GB (10^9), 100GiB (2^30) or a whole number of octets"

_TIMES: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME: Final = re.compile(r"([0-9]{1,10}) ?([smhd]?)", re.IGNORECASE | re.ASCII)
TIME_S_MAX: Final = 100 * 366 * 86_400
TIME_REMEDY: Final = "write a time as 30h, 90m, 7d or a whole number of seconds"


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


def parse_octets(written: object) -> int:
    """``"100GB"`` is 100 * 10^9, ``"100GiB"`` 100 * 2^30.

    Raises:
        ValueError: not an amount, not whole octets, none at all, or beyond 10^18.
    """
    match = _AMOUNT.fullmatch(str(written).strip())
    if match is None:
        raise ValueError(f"not an amount: {OCTETS_REMEDY}")
    octets = Decimal(match[1]) * _OCTETS[match[2].lower()]
    if octets != int(octets):
        raise ValueError(f"not a whole number of octets: {OCTETS_REMEDY}")
    if not 1 <= octets <= OCTETS_MAX:
        raise ValueError("an amount is between 1 octet and 1000000TB; leave it out for no limit")
    return int(octets)


def octets_text(octets: int) -> str:
    """The shortest text that `parse_octets` reads back, decimal rather than binary."""
    texts = [str(octets)]
    for unit in ("kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"):
        count, left = divmod(octets, _OCTETS[unit.lower()])
        if count and not left:
            texts.append(f"{count}{unit}")
    return min(texts, key=len)


def parse_time_s(written: object) -> int:
    """``"30h"`` is 108_000 seconds.

    Raises:
        ValueError: not a time, none at all, or beyond a hundred years.
    """
    match = _TIME.fullmatch(str(written).strip())
    if match is None:
        raise ValueError(f"not a time: {TIME_REMEDY}")
    seconds = int(match[1]) * _TIMES[match[2].lower()]
    if not 1 <= seconds <= TIME_S_MAX:
        raise ValueError("a time is between a second and a hundred years; leave it out for none")
    return seconds


def time_text(seconds: int) -> str:
    """What `parse_time_s` reads back: 108_000 is ``30h``."""
    for letter, unit in (("h", 3600), ("m", 60)):
        if seconds % unit == 0 and seconds:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"
