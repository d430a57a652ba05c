"""`turnpike explain`: would this subscriber be let in, and why?  Asked without a packet.

An answer of its own kind, so the exit status is 0 whether it is yes or no.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from aaa.device import device_of
from aaa.explain import Explanation, explain
from aaa.live import Live
from aaa.places import Occupied
from aaa.records import SubscriberRecord
from app import cli_output as output
from app import manifest_values, wiring
from app.cli_context import (
    CLOCK,
    AsJson,
    Config,
    DataDir,
    Scope,
    TenantCode,
    in_tenant,
    settings_of,
    subscriber_name,
)
from app.paths import Paths
from core.config import Settings
from core.db import Tx
from core.key_check import vault_of
from core.octets import from_text
from dictionaries.loader import load as load_dictionary

Username = Annotated[
    str, typer.Argument(metavar="USERNAME", help="Exact name, as listings show it.")
]
NasName = Annotated[
    str | None,
    typer.Option("--nas", help="The NAS that asks.", show_default="one that is allowed"),
]
Station = Annotated[
    str | None,
    typer.Option(
        "--station",
        help="Calling-Station-Id of the device that asks.",
        show_default="one that holds no place yet",
    ),
]
Password = Annotated[
    str | None,
    typer.Option("--password", help="Prove it as well.", show_default="takes the proof as given"),
]


def command(
    username: Username,
    nas: NasName = None,
    station: Station = None,
    password: Password = None,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Tell the decision on a login, the steps to it, and what the NAS would be told."""
    settings = settings_of(config, data_dir)
    name = subscriber_name(username)
    if password is not None:
        manifest_values.password(password)  # refuses what no subscriber can have
    now = CLOCK.now()

    async def work(tx: Tx, scope: Scope) -> Explanation:
        dictionary = load_dictionary()
        vault = await vault_of(tx, settings.key_path)
        with _occupied(settings, station) as others:
            return await explain(
                tx,
                vault,
                wiring.renderer(settings, dictionary),
                dictionary,
                scope.tenant_id,
                name,
                nas_name=nas,
                password=password,
                others=others,
                garden_session_timeout_s=settings.policy.walled_garden.session_timeout_s,
                now=now,
            )

    found = in_tenant(config, data_dir, tenant, work)
    if as_json:
        output.as_json(_row(name, found))
    else:
        _print(name, found)


@contextmanager
def _occupied(
    settings: Settings, station: str | None
) -> Iterator[Callable[[SubscriberRecord, int], Occupied] | None]:
    """How many places other devices than `station` hold on this node; None where nothing has
    ever served, so that nothing but sessions can hold one."""
    path = Paths(settings.data_dir).live
    if not (path / "data.mdb").is_file():
        yield None
        return
    calling = from_text(station) if station else b""
    live = Live(path)
    try:
        yield lambda record, nas_id: live.occupied(
            record.id, record.sessions, device_of(nas_id, calling), CLOCK.monotonic()
        )
    finally:
        live.close()


def _row(username: str, found: Explanation) -> dict[str, object]:
    return _answer(username, found) | {"trace": _steps(found), "attributes": _attributes(found)}


def _print(username: str, found: Explanation) -> None:
    output.facts(_answer(username, found))
    output.say("")
    output.table(_steps(found), ("rule", "input", "result"), whole=True)
    if found.attributes:
        output.say("")
        output.table(_attributes(found), ("attribute", "value"))


def _answer(username: str, found: Explanation) -> dict[str, object]:
    return {
        "username": username,
        "outcome": found.outcome,
        "reason": found.reason or None,
        "message": found.message or None,
        "nas": found.nas or None,
        "vendor": found.vendor,
        "access": found.access or None,
        "found_by": [*(["name"] if found.access else []), *found.ways],
    }


def _steps(found: Explanation) -> list[dict[str, str]]:
    return [
        {"rule": rule, "input": looked_at, "result": result}
        for rule, looked_at, result in found.trace
    ]


def _attributes(found: Explanation) -> list[dict[str, str]]:
    return [{"attribute": name, "value": value} for name, value in found.attributes]
