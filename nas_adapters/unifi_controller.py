"""A UniFi Network controller: letting guests in, putting them out, and who is there.

Two generations with one API: a controller of its own (port 8443, `/api/...`), and UniFi OS
on a console (port 443, `/proxy/network/api/...`, with a token against forged requests).
Which one it is shows in the first answer: the old one redirects to its page.  All of it is
third-party code only: UniFi documents another API, which older controllers have not.

Rates are kbit/s, quotas MB, both decimal (unconfirmed), times minutes.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp

from nas_adapters.actives import Active
from nas_adapters.api import Health
from nas_adapters.api_access import ApiAccess
from nas_adapters.base import SessionRef, clamped
from nas_adapters.mac import normalise
from nas_adapters.profile import ServiceProfile
from nas_adapters.trouble import NoAnswer, NotLetIn, NotThere, WillNot

DEADLINE_S: Final = 10.0
BODY_OCTETS_MAX: Final = 64 * 2**20  # 20 000 clients are about 40 MB
MINUTES: Final = 1440  # of an authorisation that nobody limits
_TOKENS: Final = ("X-Updated-CSRF-Token", "X-CSRF-Token")

Row = Mapping[str, object]


class Controller:
    """`NasApi` of a UniFi controller.  `connect` makes one."""

    def __init__(self, access: ApiAccess, http: aiohttp.ClientSession, *, is_os: bool) -> None:
        self.nas: Final = access.nas
        self._access = access
        self._http = http
        self._is_os = is_os
        self._token = ""

    async def health(self) -> Health:
        rows = await self._ask("GET", "stat/sysinfo")
        about = rows[0] if rows else {}
        uptime = about.get("uptime")
        return Health(
            name=_text(about, "name") or _text(about, "hostname"),
            model="UniFi OS" if self._is_os else "UniFi controller",
            version=_text(about, "version"),
            uptime_s=uptime if isinstance(uptime, int) else None,
        )

    async def clients(self) -> Sequence[Row]:
        """Every client that is connected now, as the controller tells of it."""
        return await self._ask("GET", "stat/sta")

    async def actives(self) -> Sequence[Active]:
        """Guests who are let in.  The controller knows no names, so none is told."""
        return [
            Active(
                row=_text(row, "mac"),
                service="hotspot",
                name="",
                address=_text(row, "ip"),
                calling_station=_text(row, "mac"),
                uptime_s=uptime if isinstance(uptime := row.get("uptime"), int) else None,
            )
            for row in await self.clients()
            if row.get("is_guest") is True and row.get("authorized") is True
        ]

    async def authorise(
        self,
        station: str,
        *,
        minutes: int,
        upload_bps: int | None = None,
        download_bps: int | None = None,
        quota_octets: int | None = None,
    ) -> None:
        """Let this device in for so long from now; told again, the latest word counts."""
        body: dict[str, object] = {"mac": self._mac(station), "minutes": max(minutes, 1)}
        if upload_bps is not None:
            body["up"] = clamped(upload_bps // 1000)
        if download_bps is not None:
            body["down"] = clamped(download_bps // 1000)
        if quota_octets is not None:
            body["bytes"] = clamped(quota_octets // 1_000_000)
        await self._ask("POST", "cmd/stamgr", {"cmd": "authorize-guest", **body})

    async def unauthorise(self, station: str) -> None:
        """Put this device out.  Nothing happens if it is not in."""
        body = {"cmd": "unauthorize-guest", "mac": self._mac(station)}
        await self._ask("POST", "cmd/stamgr", body)

    async def disconnect(self, session: SessionRef) -> None:
        await self._must_be_in(session)
        await self.unauthorise(session.calling_station)

    async def set_rate(self, session: SessionRef, profile: ServiceProfile) -> None:
        """By a new authorisation, which begins its time and its quota anew."""
        await self._must_be_in(session)  # or this would let him in
        timeout_s = profile.session_timeout_s
        await self.authorise(
            session.calling_station,
            minutes=-(-timeout_s // 60) if timeout_s else MINUTES,
            upload_bps=profile.upload_bps,
            download_bps=profile.download_bps,
            quota_octets=profile.limit_octets,
        )

    async def _must_be_in(self, session: SessionRef) -> None:
        wanted = normalise(self._mac(session.calling_station))
        if all(normalise(guest.row) != wanted for guest in await self.actives()):
            raise NotThere(self.nas, f"{session.calling_station} is no guest that is let in", "")

    async def log_in(self) -> None:
        path = "/api/auth/login" if self._is_os else "/api/login"
        body = {
            "username": self._access.username,
            "password": self._access.password.octets.decode(),
        }
        status, _ = await self._send("POST", path, body)
        if status == 499:
            raise NotLetIn(
                self.nas,
                f"the controller wants a second factor of {self._access.username}",
                "use a local account without one",
            )
        if status >= 400:
            raise NotLetIn(
                self.nas,
                f"the controller does not let {self._access.username} in (HTTP {status})",
                "correct username and password; it must be a local account",
            )

    async def log_out(self) -> None:
        with suppress(NoAnswer, NotLetIn):
            await self._send("POST", "/api/auth/logout" if self._is_os else "/api/logout", {})

    async def _ask(self, method: str, what: str, body: Row | None = None) -> list[Row]:
        prefix = "/proxy/network" if self._is_os else ""
        site = self._access.site
        status, raw = await self._send(method, f"{prefix}/api/s/{site}/{what}", body)
        try:
            document = json.loads(raw)
            meta, data = document["meta"], document.get("data", [])
            told = "" if meta["rc"] == "ok" else str(meta.get("msg", "no reason"))
        except (ValueError, TypeError, KeyError):
            raise WillNot(
                self.nas,
                f"{what}: the controller answers HTTP {status} and nothing of its API",
                "see that address and port are those of UniFi Network",
            ) from None
        if told in ("api.err.NoSiteContext", "api.err.InvalidSite"):
            raise NotThere(self.nas, f"the controller has no site {site}", "correct api.site")
        if told in ("api.err.LoginRequired", "api.err.NoPermission"):
            raise NotLetIn(self.nas, f"{what}: {told}", "make our account one of that site")
        if told or status >= 400:
            raise WillNot(self.nas, f"{what}: {told or f'HTTP {status}'}", "")
        return [row for row in data if isinstance(row, dict)]

    async def _send(self, method: str, path: str, body: Row | None) -> tuple[int, bytes]:
        headers = {"X-CSRF-Token": self._token} if self._token else {}
        async with (
            _told_as_trouble(self._access),
            self._http.request(
                method, path, json=body, headers=headers, allow_redirects=False
            ) as answer,
        ):
            for header in _TOKENS:
                if header in answer.headers:
                    self._token = answer.headers[header]
                    break
            raw = b""
            async for piece in answer.content.iter_any():
                raw += piece
                if len(raw) > BODY_OCTETS_MAX:
                    raise WillNot(self.nas, f"{path}: an answer without end", "")
            return answer.status, raw

    def _mac(self, written: str) -> str:
        found = normalise(written)
        if found is None:
            raise WillNot(self.nas, f"{written!r} is no MAC address", "")
        return ":".join(found[at : at + 2] for at in range(0, 12, 2))


@asynccontextmanager
async def connect(
    access: ApiAccess, *, deadline_s: float = DEADLINE_S
) -> AsyncIterator[Controller]:
    """The controller, logged in to; every request has `deadline_s`.

    Raises:
        NoAnswer: nobody is there.
        NotLetIn: wrong certificate, wrong password.
    """
    trust = aiohttp.Fingerprint(bytes.fromhex(access.fingerprint)) if access.fingerprint else True
    host = f"[{access.host}]" if ":" in access.host else access.host
    async with aiohttp.ClientSession(
        f"https://{host}:{access.port}",
        connector=aiohttp.TCPConnector(ssl=trust),
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # of an address, not a name
        timeout=aiohttp.ClientTimeout(total=deadline_s),
    ) as http:
        async with _told_as_trouble(access), http.get("/", allow_redirects=False) as first:
            is_os = first.status == 200
        controller = Controller(access, http, is_os=is_os)
        await controller.log_in()
        try:
            yield controller
        finally:
            await controller.log_out()


@asynccontextmanager
async def _told_as_trouble(access: ApiAccess) -> AsyncIterator[None]:
    where = f"{access.host} port {access.port}"
    try:
        yield
    except aiohttp.ServerFingerprintMismatch as wrong:
        raise NotLetIn(
            access.nas,
            f"the controller's certificate has the SHA-256 {wrong.got.hex()}, "
            "not that of api.fingerprint",
            "find out who changed it before you change the setting",
        ) from None
    except aiohttp.ClientConnectorCertificateError:
        raise NotLetIn(
            access.nas,
            f"the certificate at {where} is not trusted",
            "put its SHA-256 into api.fingerprint",
        ) from None
    except (TimeoutError, aiohttp.ClientError, OSError) as broken:
        raise NoAnswer(
            access.nas,
            f"the controller does not answer at {where} ({str(broken) or 'too slow'})",
            "see that it runs, and that address and port are its own (8443, or 443 of UniFi OS)",
        ) from None


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""
