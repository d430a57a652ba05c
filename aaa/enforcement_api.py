"""The rung of the ladder behind RADIUS: a session is changed or ended over its box's own API.

Only where an operator has described that way in.  A rate alone can be changed so; for all
else the session is ended, and its next login gets what it is to have.
"""

from dataclasses import replace
from typing import Final

from aaa import enforcement_ladder as ladder
from aaa.enforcement import OFF, State
from aaa.enforcement_ladder import After, Task
from aaa.enforcement_rows import Due
from core.db import Database
from core.secret import CannotOpen, Vault
from nas_adapters import api_registry
from nas_adapters.api import NasApi
from nas_adapters.api_access import ApiSpec
from nas_adapters.api_registry import API
from nas_adapters.apis import CONNECT
from nas_adapters.base import SessionRef
from nas_adapters.profile import ServiceProfile
from nas_adapters.registry import StoredNas
from nas_adapters.trouble import NasTrouble, NoAnswer, NotThere, WillNot

_NO_RATES: Final = {"download_bps": None, "upload_bps": None, "burst": None}


async def by_api(database: Database, vault: Vault, nas: StoredNas, due: Due) -> After:
    """Try it, and say what became of the task."""
    assert due.session is not None
    async with database.transaction(due.tenant_id) as tx:
        way = (await api_registry.of_all(tx, [nas.id])).get((nas.id, API))
    if way is None or not isinstance(way.spec, ApiSpec):
        return ladder.moved(due.task, "its NAS has no API that we know of")
    try:
        secrets = api_registry.secrets_of(vault, due.tenant_id, way)
        access = api_registry.api_access(nas.spec, way.spec, secrets)
        async with CONNECT[way.spec.kind](access) as box:
            return await _asked(box, due.task, due.session)
    except (CannotOpen, api_registry.NoHost) as error:
        return ladder.moved(due.task, str(error))
    except NotThere as gone:
        return After(State.STALE, due.task.rung, wait_s=None, cause=str(gone))
    except NoAnswer as silence:
        return ladder.moved(due.task, str(silence), again_s=ladder.SILENCE_AGAIN_S)
    except NasTrouble as trouble:
        return ladder.moved(due.task, str(trouble))


async def _asked(box: NasApi, task: Task, session: SessionRef) -> After:
    if task.service != OFF and task.profile and is_a_rate_alone(task.profile, task.applied_profile):
        try:
            await box.set_rate(session, task.profile)
        except WillNot:
            pass
        else:
            return After(State.DONE, task.rung, wait_s=None, applies=True)
    await box.disconnect(session)
    return ladder.told(task)


def is_a_rate_alone(wanted: ServiceProfile, applied: ServiceProfile | None) -> bool:
    """Whether nothing but rates tells the two apart."""
    if applied is None:
        return False
    return replace(wanted, **_NO_RATES) == replace(applied, **_NO_RATES)
