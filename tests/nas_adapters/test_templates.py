"""Names by template: what an operator writes, what a box is told, and what goes wrong."""

import pytest

from core.errors import Invalid
from nas_adapters.profile import ServiceProfile
from nas_adapters.templates import NO_TEMPLATES, Unfillable, filled, parsed
from nas_adapters.vendors import vendor

HOME = ServiceProfile(download_bps=20_000_000, upload_bps=5_000_000)
SLOW = ServiceProfile(download_bps=1_000_000, upload_bps=512_000)


def service(text: str, profile: ServiceProfile = HOME, state: str = "plan") -> str | None:
    templates = parsed("bras-1", {"service": text})
    return filled(profile, templates, code="home-20", state=state).service


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("svc-internet({upload_kbps}k,{download_kbps}k)", "svc-internet(5000k,20000k)"),
        ("svc({upload_mbps}m,{download_mbps}m)", "svc(5m,20m)"),
        ("{plan.code}-{state}", "home-20-plan"),
        ("fixed", "fixed"),
        ("{download_bps}", "20000000"),
    ],
)
def test_a_name_is_made_of_plan_and_rates(text: str, name: str) -> None:
    assert service(text) == name


@pytest.mark.parametrize(
    ("text", "throttled", "garden"),
    [
        pytest.param("svc-{plan.code}", None, None, id="one that gives the whole plan"),
        pytest.param("svc({download_kbps}k)", "svc(1000k)", None, id="rates say the throttle"),
        pytest.param("{plan.code}-{state}", "home-20-throttled", "home-20-garden", id="the state"),
    ],
)
def test_nobody_keeps_the_full_service_by_a_template_that_does_not_tell_states_apart(
    text: str, throttled: str | None, garden: str | None
) -> None:
    assert service(text, SLOW, "throttled") == throttled
    assert service(text, SLOW, "garden") == garden


def test_a_name_of_the_plan_itself_stays() -> None:
    named = ServiceProfile(service="own", download_bps=1, upload_bps=1)
    assert service("{plan.code}", named) == "own"


def test_without_templates_a_profile_is_what_it_was() -> None:
    assert filled(HOME, NO_TEMPLATES, code="home-20", state="plan") is HOME


def test_a_box_that_says_rates_by_name_is_told_the_throttle_by_its_template() -> None:
    templates = parsed("mx-1", {"service": "svc({upload_kbps}k,{download_kbps}k)"})
    slow = filled(SLOW, templates, code="home-20", state="throttled")
    values = {attr.name: attr.value for attr in vendor("juniper").render(slow)}
    assert values["ERX-Service-Activate"] == "svc(512k,1000k)"


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ({"service": "{plan.name}"}, r"unknown \{plan.name\}; there are \{plan.code\}, \{state\}"),
        ({"service": "{plan.code.__class__}"}, "unknown"),
        ({"service": "svc("}, None),
        ({"service": "{plan.code"}, "a brace without its other one"),
        ({"service": "}"}, "a brace without its other one"),
        ({"service": ""}, "write 1 to 500 characters"),
        ({"service": "a\n"}, "write 1 to 500 characters"),
        ({"servise": "x"}, "there is no name servise; there are service, qos_profile"),
    ],
)
def test_a_wrong_template_is_named_with_its_nas(
    texts: dict[str, str], complaint: str | None
) -> None:
    if complaint is None:
        assert parsed("bras-1", texts).by_field == (("service", "svc("),)
        return
    with pytest.raises(Invalid, match=complaint) as refused:
        parsed("bras-1", texts)
    assert "NAS bras-1" in str(refused.value)


def test_a_plan_without_the_rate_that_a_template_needs_is_named() -> None:
    with pytest.raises(Unfillable, match=r"NAS bras-1: .*plan home-20 has no upload rate"):
        service("{upload_kbps}", ServiceProfile(download_bps=1))


def test_a_name_that_gets_too_long_is_named() -> None:
    with pytest.raises(Unfillable, match="more than 200 octets"):
        service("{plan.code}" * 40)
