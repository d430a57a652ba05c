"""A scenario as people write it: what it means, and what is said of mistakes."""

import tomllib
from pathlib import Path

import pytest

from app import scenario_file
from app.manifest import parse
from app.manifest_file import document, reply_check
from app.simulator.faults import Coa
from app.simulator.scenario import subscribers
from core.errors import Invalid
from dictionaries.loader import load

ROOT = Path(__file__).parents[2]
NAS = {"name": "bng-1", "make": "cisco"}


@pytest.mark.parametrize("name", scenario_file.names())
def test_the_scenarios_that_come_along_are_played_by_the_isp_that_comes_along(name: str) -> None:
    scenario = scenario_file.read(name)
    found = document(ROOT / "deploy" / "simulated-isp.toml")
    manifest = parse(found, reply_check(load()))
    known = {entry.spec.username for entry in manifest.subscribers}
    addresses = {str(nas.spec.address) for nas in manifest.nases}
    for place in scenario.places:
        assert f"{place.box.address}/32" in addresses
        assert {one.username for _, one in subscribers(place, 1)} <= known


def test_one_entry_makes_several_nases_with_subscribers_of_their_own() -> None:
    scenario = scenario_file.parse(
        {
            "nas": [
                {
                    "name": "bng-{n:02}",
                    "address": "127.0.2.{n}",
                    "make": "mikrotik-pppoe",
                    "count": 3,
                    "subscribers": 2,
                    "username": "{nas}-{n:03}",
                    "download": "8M",
                    "session": "1h",
                    "faults": {"loss": 0.05, "coa": "nak_503"},
                }
            ],
            "event": [{"at": "1m", "nas": "bng-02", "do": "reboot"}],
        }
    )
    assert [place.box.name for place in scenario.places] == ["bng-01", "bng-02", "bng-03"]
    third = scenario.places[2]
    assert third.box.address == "127.0.2.3"
    assert [one.username for _, one in subscribers(third, 1)] == ["bng-03-005", "bng-03-006"]
    assert (third.faults.coa, third.habits.session_s) == (Coa.NAK_503, 3600)
    assert scenario.events[0].at_s == 60


def test_a_seed_makes_the_same_subscribers_and_more_of_them_are_the_same_and_more() -> None:
    few, many = (
        scenario_file.parse({"nas": [NAS | {"subscribers": count}]}).places[0] for count in (3, 9)
    )
    assert list(subscribers(few, 1)) == list(subscribers(few, 1))
    assert list(subscribers(few, 1)) == list(subscribers(many, 1))[:3]
    assert list(subscribers(few, 1)) != list(subscribers(few, 2))


@pytest.mark.parametrize(
    ("found", "mistake"),
    [
        ({}, "nas: missing; add it"),
        ({"nas": []}, "write it as [[nas]]"),
        ({"nas": [{"name": "a", "make": "mikrotic"}]}, "nas[0].make (a) = 'mikrotic'"),
        ({"nas": [NAS | {"adress": "127.0.0.1"}]}, "did you mean"),
        ({"nas": [NAS | {"address": "bng.example"}]}, "write an IPv4 address"),
        ({"nas": [NAS | {"download": "fast"}]}, "write a rate as 50M"),
        ({"nas": [NAS | {"ramp": "soon"}]}, "write a time as"),
        ({"nas": [NAS | {"faults": {"loss": 5}}]}, "nas[0].faults.loss"),
        ({"nas": [NAS | {"faults": {"coa": "lie"}}]}, "obey, nak_503"),
        ({"nas": [NAS, NAS]}, "stands twice"),
        ({"nas": [NAS, NAS | {"name": "bng-2"}]}, "CoA port 1700 of 127.0.0.1 is taken"),
        ({"nas": [NAS], "event": [{"at": 1, "nas": "bng-7", "do": "reboot"}]}, "bng-7"),
        ({"nas": [NAS], "speed": 0}, "speed = 0: write a number above 0"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_remedy(found: object, mistake: str) -> None:
    with pytest.raises(Invalid) as refused:
        scenario_file.parse(found)
    assert mistake in str(refused.value)


def test_a_mistake_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[nas]]\nname = "a"\nmake = "cisco"\nsubscribers = "ten"\n')
    with pytest.raises(Invalid, match=rf"{path}: nas\[0\]\.subscribers .* whole number"):
        scenario_file.read(str(path))


def test_a_scenario_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(Invalid, match=r"did you mean .*mixed"):
        scenario_file.read("mixt")


def test_the_manuals_scenario_is_one() -> None:
    readme = (ROOT / "README.md").read_text()
    [example] = [one for one in readme.split("```")[1::2] if "[[event]]" in one]
    scenario = scenario_file.parse(tomllib.loads(example))
    assert len(scenario.places) == 20
    assert scenario.places[2].box.known == frozenset({"pool-a"})
