"""A RouterOS router: who is online, how fast, and how it is.

Facts per vendor docs unless marked.  A PPP session is `/ppp/active`, a hotspot login
`/ip/hotspot/active`, and removing the row ends it.  The rate that RADIUS gave is a dynamic
simple queue named `<pppoe-NAME>` or `<hotspot-NAME>`.
"""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from nas_adapters import mikrotik, routeros
from nas_adapters.actives import Active, find
from nas_adapters.api import Health
from nas_adapters.api_access import ApiAccess
from nas_adapters.base import SessionRef
from nas_adapters.profile import ServiceProfile
from nas_adapters.routeros import Conversation, Row
from nas_adapters.trouble import NotThere, WillNot

_PPP: Final = (".id", "name", "service", "caller-id", "address", "uptime", "session-id")
_HOTSPOT: Final = (".id", "user", "mac-address", "address", "uptime", "session-id")
_QUEUE: Final = (".id", "name", "target", "max-limit", "dynamic")
_ACTIVES: Final = (("/ppp/active", "name", _PPP), ("/ip/hotspot/active", "user", _HOTSPOT))
_UNKNOWN_MENU: Final = "no such command"  # a package that is not installed
_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True)
class Queue:
    """A simple queue; upload and download are the subscriber's, 0 for no limit."""

    row: str
    name: str
    target: str
    upload_bps: int
    download_bps: int
    is_dynamic: bool


class Router:
    """`NasApi` of RouterOS, over a conversation that somebody else opened and closes."""

    def __init__(self, talk: Conversation) -> None:
        self.talk: Final = talk

    async def health(self) -> Health:
        identity = await self.talk.ask("/system/identity/print")
        resource = await self.talk.ask("/system/resource/print")
        about = resource[0] if resource else {}
        return Health(
            name=identity[0].get("name", "") if identity else "",
            model=about.get("board-name", ""),
            version=about.get("version", ""),
            uptime_s=seconds(about.get("uptime", "")),
            cpu_percent=_number(about.get("cpu-load", "")),
            free_memory_octets=_number(about.get("free-memory", "")),
        )

    async def actives(self) -> Sequence[Active]:
        return await self._actives("")

    async def disconnect(self, session: SessionRef) -> None:
        active = await self._active(session)
        menu = "/ip/hotspot/active" if active.service == "hotspot" else "/ppp/active"
        await self.talk.ask(f"{menu}/remove", {".id": active.row})

    async def set_rate(self, session: SessionRef, profile: ServiceProfile) -> None:
        """By its dynamic queue.  That a router lets one be changed is not documented
        (unconfirmed): what counts is what it says of the queue afterwards."""
        active = await self._active(session)
        queue = _queue_of(self.talk.nas, active, await self.queues(is_dynamic=True))
        wanted = limits(profile)
        await self.talk.ask("/queue/simple/set", {".id": queue.row, **wanted})
        rows = await self.talk.ask("/queue/simple/print", where={".id": queue.row}, fields=_QUEUE)
        if not rows or rates(rows[0].get("max-limit", "")) != rates(wanted["max-limit"]):
            raise WillNot(
                self.talk.nas,
                f"queue {queue.name} kept its rate",
                "disconnect the session: the next login gets it",
            )

    async def queues(self, *, is_dynamic: bool | None = None) -> list[Queue]:
        """All simple queues, or those that the router made itself, or those it did not."""
        rows = await self.talk.ask("/queue/simple/print", fields=_QUEUE)
        found = [_queue(row) for row in rows]
        return [one for one in found if is_dynamic in (None, one.is_dynamic)]

    async def _active(self, session: SessionRef) -> Active:
        found = find(session, await self._actives(session.user_name))
        if found is None:
            raise NotThere(
                self.talk.nas,
                f"session {session.acct_session_id} of {session.user_name} is not online there",
                "",
            )
        return found

    async def _actives(self, name: str) -> list[Active]:
        found = []
        for menu, key, fields in _ACTIVES:
            try:
                rows = await self.talk.ask(
                    f"{menu}/print", where={key: name} if name else {}, fields=fields
                )
            except WillNot as refused:
                if _UNKNOWN_MENU not in refused.cause:
                    raise
                continue
            found += [_active(row, key) for row in rows if ".id" in row]
        return found


@asynccontextmanager
async def connect(
    access: ApiAccess, *, deadline_s: float = routeros.DEADLINE_S
) -> AsyncIterator[Router]:
    """The router, logged in to.  Raises what `routeros.open_` does."""
    async with routeros.open_(access, deadline_s=deadline_s) as talk:
        yield Router(talk)


def limits(profile: ServiceProfile) -> dict[str, str]:
    """The settings of a queue for this profile, from the same words as RADIUS' own."""
    parts = mikrotik.rate_limit(profile).split(" ")
    if len(parts) == 1:
        return {"max-limit": parts[0], "burst-limit": "0/0", "burst-threshold": "0/0"}
    burst_time = "/".join(f"{part}s" for part in parts[3].split("/"))
    return {
        "max-limit": parts[0],
        "burst-limit": parts[1],
        "burst-threshold": parts[2],
        "burst-time": burst_time,
    }


def rates(written: str) -> tuple[int, int]:
    """Upload and download in bit/s of `5M/20M` or `5000000/20000000`."""
    upload, _, download = written.partition("/")
    return _bps(upload), _bps(download or upload)


def seconds(written: str) -> int | None:
    """Of `1w2d3h4m5s`, and of `2d03:04:05`."""
    if not re.fullmatch(r"(\d+[wdhms])*(\d+:\d+:\d+)?", written) or not written:
        return None
    total = sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+)([wdhms])", written))
    if clock := re.search(r"(\d+):(\d+):(\d+)$", written):
        total += int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3])
    return total


def _queue_of(nas: str, active: Active, queues: Iterable[Queue]) -> Queue:
    """The one of this session; a second session of a name has `-1` at its end (unconfirmed)."""
    name = f"<{active.service}-{active.name}"
    own = [
        queue
        for queue in queues
        if queue.name.startswith(name) and re.fullmatch(r"(-\d+)?>", queue.name[len(name) :])
    ]
    if len(own) > 1:
        own = [queue for queue in own if active.address in _addresses(queue.target)]
    if len(own) != 1:
        found = "none" if not own else f"{len(own)} of them"
        raise WillNot(
            nas,
            f"no telling which queue is that of {active.name}: there is {found}",
            "disconnect the session: the next login gets it",
        )
    return own[0]


def _addresses(target: str) -> set[str]:
    return {part.partition("/")[0] for part in target.split(",")}


def _active(row: Row, key: str) -> Active:
    return Active(
        row=row[".id"],
        service="hotspot" if key == "user" else row.get("service", ""),
        name=row.get(key, ""),
        address=row.get("address", ""),
        calling_station=row.get("caller-id", "") or row.get("mac-address", ""),
        session_id=row.get("session-id", ""),
        uptime_s=seconds(row.get("uptime", "")),
    )


def _queue(row: Row) -> Queue:
    upload_bps, download_bps = rates(row.get("max-limit", ""))
    return Queue(
        row=row.get(".id", ""),
        name=row.get("name", ""),
        target=row.get("target", ""),
        upload_bps=upload_bps,
        download_bps=download_bps,
        is_dynamic=row.get("dynamic") == "true",
    )


def _number(written: str) -> int | None:
    return int(written) if written.isascii() and written.isdigit() else None


def _bps(written: str) -> int:
    match = re.fullmatch(r"(\d+)([kMG]?)", written)
    if match is None:
        return 0
    return int(match[1]) * {"": 1, "k": 1000, "M": 1_000_000, "G": 1_000_000_000}[match[2]]
