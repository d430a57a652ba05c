"""What a plan says to boxes alone: names of what stands on them, a VLAN, an idle time.

Apart from a plan's rates, because it means something on some makes only (each dialect says what
it makes of a name), and because it is not what is sold.  A name that gives rates is for the
session as it was sold: over quota it would give the full rate, so there it is left out, and
the rates are said, or a template of the NAS that tells the two apart.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec

from nas_adapters.profile import ServiceProfile


class OnNas(msgspec.Struct, frozen=True, omit_defaults=True):
    """None leaves it to the NAS, or to its templates."""

    idle_timeout_s: int | None = None
    vlan: int | None = None
    service: str | None = None
    qos_profile: str | None = None
    upload_qos_profile: str | None = None
    group: str | None = None
    ipv6_pool: str | None = None  # that the NAS has
    delegated_ipv6_pool: str | None = None


NOTHING: Final = OnNas()
FIELDS: Final = OnNas.__struct_fields__


def said(profile: ServiceProfile, on_nas: OnNas, *, throttled: bool) -> ServiceProfile:
    """The profile with what the plan says to boxes alone."""
    if on_nas == NOTHING:
        return profile
    profile = replace(
        profile,
        idle_timeout_s=on_nas.idle_timeout_s,
        vlan=on_nas.vlan,
        group=on_nas.group,
        ipv6_pool=on_nas.ipv6_pool,
        delegated_ipv6_pool=on_nas.delegated_ipv6_pool,
    )
    if throttled:
        return profile
    return replace(
        profile,
        service=on_nas.service,
        qos_profile=on_nas.qos_profile,
        upload_qos_profile=on_nas.upload_qos_profile,
    )


def stored(on_nas: OnNas) -> dict[str, int | str]:
    """As the database has it: what is said, and nothing else."""
    found: dict[str, int | str] = msgspec.to_builtins(on_nas)
    return found


def restored(found: Mapping[str, object]) -> OnNas:
    """What was stored.

    Raises:
        ValueError: plain SQL has put something else there.
    """
    return msgspec.convert(found, OnNas)
