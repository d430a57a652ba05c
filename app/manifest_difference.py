"""What changes between what is stored and what a manifest says, in the manifest's own words.

Pure.  Secrets and passwords are no part of a spec, so none can be shown from here.
"""

from collections.abc import Mapping
from dataclasses import Field, fields
from datetime import UTC, datetime
from typing import Final

from aaa.on_nas import NOTHING, OnNas, stored
from aaa.pools_plan import PoolSpec
from aaa.profiles import ProfileSpec
from aaa.subscribers import SubscriberSpec
from core.units import octets_text, rate_text, time_text
from nas_adapters.api_access import ApiSpec, SnmpSpec
from nas_adapters.counting import NAMES
from nas_adapters.profile import Burst
from nas_adapters.registry import NasSpec

Spec = NasSpec | PoolSpec | ProfileSpec | SubscriberSpec | ApiSpec | SnmpSpec

# Where the manifest calls a thing otherwise than the domain does.
KEYS: Final[Mapping[str, str]] = {
    "download_bps": "download",
    "upload_bps": "upload",
    "line_bps": "line_rate",
    "profile": "plan",
    "valid_until": "expires_at",
    "quota_octets": "quota",
    "quota_time_s": "quota_time",
    "fup_download_bps": "fup.download",
    "fup_upload_bps": "fup.upload",
}


def changes(old: Spec, new: Spec) -> list[str]:
    """``download 20M -> 50M`` for each field that differs."""
    assert type(old) is type(new)
    return [
        f"{KEYS.get(field.name, field.name)} {_shown(field, before)} -> {_shown(field, after)}"
        for field in fields(new)
        if (before := getattr(old, field.name)) != (after := getattr(new, field.name))
    ]


def _shown(field: Field[object], value: object) -> str:
    if value is None or value in ((), "", {}, NOTHING):
        return "none"
    if field.name.endswith("_bps") and isinstance(value, int):
        return rate_text(value)
    if field.name == "octet_unit" and isinstance(value, int):
        return NAMES[value]
    if field.name == "quota_octets" and isinstance(value, int):
        return octets_text(value)
    if field.name == "quota_time_s" and isinstance(value, int):
        return time_text(value)
    return in_words(value)


def in_words(value: object) -> str:
    """A value of a spec as a manifest would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Burst):
        threshold = f" threshold {rate_text(value.threshold_bps)}" if value.threshold_bps else ""
        up, down = rate_text(value.upload_bps), rate_text(value.download_bps)
        return f"{down} down {up} up{threshold} {value.time_s}s"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, OnNas):
        value = stored(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {item!r}" for name, item in sorted(value.items())) + "}"
    return str(value)
