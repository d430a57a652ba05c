"""Names of what stands on a box, made for each plan by a template of its NAS.

Some boxes know a rate only as an argument of a service or as a profile by name.  Code for each
plan would be wrong in a year, so a NAS says how its names are made: ``svc-internet
({upload_kbps}k,{download_kbps}k)``, ``sla-{plan.code}``.

A name is made for one state of a session: as sold (`plan`), over quota (`throttled`), confined
(`garden`).  A template that does not tell these apart is left out of the other two, because
it would give the full service to whom it is to be taken from: over quota it must mention
``{state}`` or a rate, in the garden ``{state}``.

Pure; no more than replacing: nothing an operator writes here is run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from core.errors import Invalid
from nas_adapters.profile import NAME_OCTETS_MAX, ServiceProfile

# The fields of a `ServiceProfile` that can be made so.
FIELDS: Final = ("service", "qos_profile", "upload_qos_profile", "group")

AS_SOLD: Final = "plan"
IN_THE_GARDEN: Final = "garden"
TEMPLATE_MAX: Final = 500

_RATES: Final = {
    f"{direction}_{unit}": (direction, divisor)
    for direction in ("download", "upload")
    for unit, divisor in (("bps", 1), ("kbps", 1000), ("mbps", 1_000_000))
}
_CODE: Final = "plan.code"
_STATE: Final = "state"
PLACEHOLDERS: Final = (_CODE, _STATE, *_RATES)
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


class Unfillable(ValueError):
    """A name cannot be made of this plan; `str()` names the NAS, the template and the lack."""


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """The templates of one NAS by field.  Made once; two of the same content are two."""

    nas: str = ""
    by_field: tuple[tuple[str, str], ...] = ()


NO_TEMPLATES: Final = Templates()


def parsed(nas: str, texts: Mapping[str, str]) -> Templates:
    """The templates of a NAS, checked.

    Raises:
        Invalid: names the NAS, the template and what is wrong with it.
    """
    for field, text in texts.items():
        at = f"NAS {nas}: template of {field} {text!r}"
        if field not in FIELDS:
            raise Invalid(f"NAS {nas}: there is no name {field}; there are {', '.join(FIELDS)}")
        if not text or not text.isprintable() or len(text) > TEMPLATE_MAX:
            raise Invalid(f"{at}: write 1 to {TEMPLATE_MAX} characters, none of control")
        for placeholder in _PLACEHOLDER.findall(text):
            if placeholder not in PLACEHOLDERS:
                raise Invalid(
                    f"{at}: unknown {{{placeholder}}}; there are"
                    f" {', '.join(f'{{{each}}}' for each in PLACEHOLDERS)}"
                )
        if "{" in _PLACEHOLDER.sub("", text) or "}" in _PLACEHOLDER.sub("", text):
            raise Invalid(f"{at}: a brace without its other one")
    return Templates(nas, tuple(sorted(texts.items()))) if texts else NO_TEMPLATES


def filled(
    profile: ServiceProfile, templates: Templates, *, code: str, state: str
) -> ServiceProfile:
    """The profile with the names that the NAS's templates make; its own names stay.

    Raises:
        Unfillable: a rate that the template needs is not limited, or the name gets too long.
    """
    names: dict[str, str] = {}
    for field, text in templates.by_field:
        if getattr(profile, field) is None and _is_for(text, state):
            names[field] = _name(text, profile, templates.nas, field, code, state)
    return replace(profile, **names) if names else profile  # type: ignore[arg-type]


def _is_for(text: str, state: str) -> bool:
    used = set(_PLACEHOLDER.findall(text))
    if state == AS_SOLD or _STATE in used:
        return True
    return state != IN_THE_GARDEN and not used.isdisjoint(_RATES)


def _name(text: str, profile: ServiceProfile, nas: str, field: str, code: str, state: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] == _CODE:
            return code
        if match[1] == _STATE:
            return state
        direction, divisor = _RATES[match[1]]
        bps = profile.download_bps if direction == "download" else profile.upload_bps
        if bps is None:
            raise Unfillable(
                f"NAS {nas}: template of {field} {text!r}: plan {code} has no {direction} rate"
            )
        return str(max(bps // divisor, 1))

    name = _PLACEHOLDER.sub(value, text)
    if len(name.encode()) > NAME_OCTETS_MAX:
        raise Unfillable(
            f"NAS {nas}: template of {field} {text!r}: for plan {code} it makes a name of more"
            f" than {NAME_OCTETS_MAX} octets"
        )
    return name
