"""What a plan of a manifest says of its quota, and what of that does not go together."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from aaa import zones
from aaa.profiles import ProfileSpec
from aaa.quota import THRESHOLDS, Direction
from aaa.quota_windows import Kind
from aaa.zones import Zone
from app import manifest_values as values
from app.manifest_table import Table
from core.errors import Invalid
from core.units import parse_octets, parse_time_s

T = TypeVar("T")

KEYS: Final = (
    *("quota", "quota_time", "quota_direction", "quota_window", "at_quota", "fup"),
    *("zones", "thresholds"),
)
AT_QUOTA: Final = ("throttle", "block", "walled_garden", "nothing")
THRESHOLDS_MAX: Final = 20
ZONES_MAX: Final = 24
# Less is a unit that was forgotten: nobody sells a hundred octets.
QUOTA_OCTETS_MIN: Final = 10**6
QUOTA_TIME_S_MIN: Final = 60


def with_quota(spec: ProfileSpec, table: Table) -> ProfileSpec:
    """The plan with its quota, if the table says one."""
    octets = table.take("quota", _octets, None)
    time_s = table.take("quota_time", _time_s, None)
    if octets is None and time_s is None:
        for key in KEYS:
            if key in table.names():
                raise table.wrong(key, "has no effect without a quota: add one, or leave it out")
        return spec
    if octets is None and "quota_direction" in table.names():
        raise table.wrong("quota_direction", "time has no direction: add quota, or leave it out")
    fup = table.inner("fup")
    found = replace(
        spec,
        quota_octets=octets,
        quota_time_s=time_s,
        quota_direction=table.take("quota_direction", values.one_of(*Direction), "total"),
        quota_window=table.take("quota_window", values.one_of(*Kind), "anchor"),
        at_quota=table.take("at_quota", values.one_of(*AT_QUOTA), "throttle" if fup else "nothing"),
        zones=_zones(table),
        thresholds=table.take("thresholds", _thresholds, THRESHOLDS),
    )
    return _with_fup(found, table, fup)


def _with_fup(spec: ProfileSpec, table: Table, fup: Table | None) -> ProfileSpec:
    if fup is None:
        if spec.at_quota == "throttle":
            raise table.wrong(
                "at_quota", 'a throttle has rates: add fup = { download = "2M", upload = "1M" }'
            )
        return spec
    if spec.at_quota != "throttle":
        raise table.wrong("fup", 'has an effect with at_quota = "throttle" only: leave one out')
    fup.only("download", "upload")
    down, up = fup.need("download", values.rate), fup.need("upload", values.rate)
    if (spec.download_bps and down > spec.download_bps) or (
        spec.upload_bps and up > spec.upload_bps
    ):
        raise table.wrong("fup", "faster than the plan itself: write a lower rate")
    return replace(spec, fup_download_bps=down, fup_upload_bps=up)


def _zones(table: Table) -> tuple[Zone, ...]:
    found = []
    for index, entry in enumerate(table.take("zones", _some_zones, [])):
        inner = table.entry("zones", index, entry)
        inner.only("from", "to", "weight")
        from_min, to_min = (inner.need(key, _by(zones.minute_of)) for key in ("from", "to"))
        weight = inner.need("weight", _by(zones.weight_of))
        try:
            found.append(zones.zone_of(from_min, to_min, weight))
        except ValueError as wrong:
            raise inner.wrong("to", str(wrong)) from None
    shared = zones.overlap(found)
    if shared is not None:
        raise table.wrong("zones", f"two of them are in force at {zones.clock(shared)}: cut one")
    return tuple(found)


def _some_zones(value: object) -> list[object]:
    if not isinstance(value, list) or len(value) > ZONES_MAX:
        raise Invalid(
            f'write a list of up to {ZONES_MAX}: [{{ from = "00:00", to = "06:00", weight = 0 }}]'
        )
    return value


def _thresholds(value: object) -> tuple[int, ...]:
    found = values.list_of(values.whole(1, 1000))(value)
    if len(found) > THRESHOLDS_MAX:
        raise Invalid(f"write no more than {THRESHOLDS_MAX}")
    return tuple(sorted(found))


def _octets(value: object) -> int:
    octets = _by(parse_octets)(value)
    if octets < QUOTA_OCTETS_MIN:
        raise Invalid("less than 1MB: is the unit missing? write an amount as 100GB")
    return octets


def _time_s(value: object) -> int:
    seconds = _by(parse_time_s)(value)
    if seconds < QUOTA_TIME_S_MIN:
        raise Invalid("less than a minute: is the unit missing? write a time as 30h")
    return seconds


def _by(parse: Callable[[object], T]) -> Callable[[object], T]:
    """A parser of the domain as one of a manifest: its ValueError says what to write."""

    def parsed(value: object) -> T:
        try:
            return parse(value)
        except ValueError as wrong:
            raise Invalid(str(wrong)) from None

    return parsed
