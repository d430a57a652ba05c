"""From a file on disk to a checked scenario of the simulator; every mistake by its place.

Also the scenarios that come with the program, by their names.
"""

from dataclasses import replace
from importlib.resources import files
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Final

from app import manifest_values as values
from app import scenario_values
from app.manifest_file import document
from app.manifest_table import Table
from app.simulator.faults import NONE, Coa, Faults
from app.simulator.habits import Habits
from app.simulator.login import Method
from app.simulator.makes import MAKES
from app.simulator.personality import Box
from app.simulator.scenario import Crowd, Deed, Event, Place, Scenario, filled
from app.simulator.service import Rates
from core.config_sources import did_you_mean
from core.errors import Invalid

SCENARIOS: Final = Path(str(files("app.simulator") / "scenarios"))
_CROWD: Final = (
    "subscribers", "username", "password", "first", "method", "download", "upload",
    "wrong_passwords", "circuit_id", "remote_id", "ramp",
)  # fmt: skip
_HABITS: Final = ("session", "pause", "reject_pause")
_BOX: Final = (
    "name", "address", "walls", "known", "service", "octet_unit", "interim", "own_interim",
)  # fmt: skip
_NAS: Final = ("count", "make", "coa_port", "secret", "faults")


def names() -> list[str]:
    """The scenarios that come with the program."""
    return sorted(path.stem for path in SCENARIOS.glob("*.toml"))


def read(name: str) -> Scenario:
    """A scenario by the name of one that comes along, or by the path of a file.

    Raises:
        Invalid: there is none, or it has mistakes.
    """
    path = Path(name)
    if "/" not in name and not path.suffix:
        if name not in names():
            hint = did_you_mean(name, names())
            raise Invalid(
                f"no scenario is called {name!r}{hint}; there are {', '.join(names())},"
                f" or name a file: ./{name}.toml"
            )
        path = SCENARIOS / f"{name}.toml"
    try:
        return parse(document(path))
    except Invalid as wrong:
        text = str(wrong)
        raise Invalid(
            text if text.startswith(str(path)) else f"{path}: {text}", field=wrong.field
        ) from None


def parse(found: object) -> Scenario:
    """A scenario from what TOML or JSON gave.

    Raises:
        Invalid: the first mistake, with its place and what to write instead.
    """
    table = Table("", found)
    table.only("nas", "event", "secret", "minutes", "speed", "behind")
    places: list[Place] = []
    secrets: dict[str, str] = {}
    for index, entry in enumerate(table.need("nas", scenario_values.tables)):
        one = Table(f"nas[{index}]", entry, "name")
        for place in _places(one):
            places.append(place)
            if secret := one.take("secret", values.string, "", is_secret=True):
                secrets[place.box.name] = secret
    _apart(places)
    known = [place.box.name for place in places]
    return Scenario(
        tuple(places),
        tuple(
            _event(Table(f"event[{index}]", entry), known)
            for index, entry in enumerate(table.take("event", scenario_values.tables, ()))
        ),
        secret=table.take("secret", values.string, "", is_secret=True),
        minutes=table.take("minutes", scenario_values.positive, 5.0),
        speed=table.take("speed", scenario_values.positive, 1.0),
        behind_s=table.take("behind", scenario_values.seconds, 0.0),
        secrets=secrets,
    )


def _places(one: Table) -> list[Place]:
    """The NASes of one entry: `count` of them, numbered by {n} in name and address."""
    one.only(*_NAS, *_BOX, *_CROWD, *_HABITS)
    make = MAKES[one.need("make", values.one_of(*MAKES))]
    count = one.take("count", values.whole(1, 200), 1)
    crowd = _crowd(one)
    faults = one.inner("faults")
    habits = Habits(
        one.take("session", scenario_values.seconds, 0.0),
        one.take("pause", scenario_values.seconds, 30.0),
        one.take("reject_pause", scenario_values.seconds, 60.0),
    )
    name, address = one.need("name", values.name), one.take("address", values.string, "127.0.0.1")
    places = []
    for n in range(1, count + 1):
        box = _box(one, filled(name, n, ""), filled(address, n, ""))
        numbered = replace(crowd, first=crowd.first + (n - 1) * crowd.count)
        places.append(
            Place(
                box,
                make,
                one.take("coa_port", values.whole(0, 65_535), None),
                _faults(faults) if faults else NONE,
                habits,
                numbered,
            )
        )
    return places


def _box(one: Table, name: str, address: str) -> Box:
    try:
        IPv4Address(address)
    except AddressValueError:
        raise one.wrong("address", f"{address!r}: write an IPv4 address of this machine") from None
    plain = Box(name, address)
    services = one.inner("service")
    named = {} if services is None else {key: _rates(services, key) for key in services.names()}
    return replace(
        plain,
        walls=one.take("walls", scenario_values.names, plain.walls),
        known=one.take("known", scenario_values.names, None),
        services=named,
        octet_unit=one.take("octet_unit", values.whole(1, 2**30), 1),
        own_interim=one.take("own_interim", values.flag, False),
        interim_s=one.take(
            "interim", lambda value: int(scenario_values.seconds(value)), plain.interim_s
        ),
    )


def _rates(services: Table, key: str) -> Rates:
    one = services.inner(key)
    assert one is not None
    one.only("download", "upload")
    return Rates(one.take("download", values.rate, None), one.take("upload", values.rate, None))


def _crowd(one: Table) -> Crowd:
    plain = Crowd()
    return Crowd(
        one.take("subscribers", values.whole(0, 100_000), plain.count),
        one.take("username", values.string, plain.username),
        one.take("password", values.string, plain.password, is_secret=True),
        one.take("first", values.whole(0, 10**9), plain.first),
        one.take("method", values.one_of(*Method), plain.method),
        one.take("download", values.rate, plain.download_bps),
        one.take("upload", values.rate, plain.upload_bps),
        one.take("wrong_passwords", scenario_values.part, plain.wrong_passwords),
        one.take("circuit_id", values.string, ""),
        one.take("remote_id", values.string, ""),
        one.take("ramp", scenario_values.seconds, plain.ramp_s),
    )


def _faults(one: Table) -> Faults:
    one.only(*Faults.__dataclass_fields__)
    return Faults(
        loss=one.take("loss", scenario_values.part, 0.0),
        duplicates=one.take("duplicates", scenario_values.part, 0.0),
        reordered=one.take("reordered", scenario_values.part, 0.0),
        reorder_s=one.take("reorder_s", scenario_values.positive, 0.05),
        delay_s=one.take("delay_s", scenario_values.some, 0.0),
        jitter_s=one.take("jitter_s", scenario_values.some, 0.0),
        repeats=one.take("repeats", scenario_values.part, 0.0),
        repeat_s=one.take("repeat_s", scenario_values.some, 60.0),
        gigawords=one.take("gigawords", values.flag, True),
        reuses_session_ids=one.take("reuses_session_ids", values.flag, False),
        coa=Coa(one.take("coa", values.one_of(*Coa), Coa.OBEY)),
    )


def _event(one: Table, known: list[str]) -> Event:
    one.only("at", "nas", "do", "faults", "accounting_on")
    nas = one.take("nas", values.string, "")
    if nas and nas not in known:
        raise one.wrong("nas", f"{nas!r} is none of this file{did_you_mean(nas, known)}")
    faults = one.inner("faults")
    return Event(
        one.need("at", scenario_values.seconds),
        Deed(one.need("do", values.one_of(*Deed))),
        nas,
        _faults(faults) if faults else NONE,
        one.take("accounting_on", values.flag, None),
    )


def _apart(places: list[Place]) -> None:
    """Two NASes may share an address, but neither a name nor a CoA port there."""
    seen: set[object] = set()
    for place in places:
        port = place.make.coa_port if place.coa_port is None else place.coa_port
        if place.box.name in seen:
            raise Invalid(f"nas {place.box.name!r} stands twice: put {{n}} into its name")
        where = (place.box.address, port)
        if port and where in seen:
            raise Invalid(
                f"nas {place.box.name!r}: CoA port {port} of {place.box.address} is taken by"
                " another: give it an address or a coa_port of its own (0: any free one)"
            )
        seen |= {place.box.name, where}
