"""A UniFi Network controller as far as guests are concerned, of both generations."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from aiohttp import web

TOKEN = "csrf-1"


@dataclass
class FakeController:
    is_os: bool
    password: str = "geheim"
    clients: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    slow_s: float = 0.0
    port: int = 0

    @asynccontextmanager
    async def listening(self, tls: SSLContext) -> AsyncIterator["FakeController"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.paths.append(path)
        await asyncio.sleep(self.slow_s)
        if path == "/":
            if self.is_os:
                return web.Response()
            return web.Response(status=302, headers={"Location": "/manage"})
        if path == ("/api/auth/login" if self.is_os else "/api/login"):
            return await self._log_in(request)
        if path.endswith("/logout"):
            return web.json_response({"meta": {"rc": "ok"}})
        prefix = "/proxy/network/api/s/" if self.is_os else "/api/s/"
        if not path.startswith(prefix):
            return web.Response(status=404, text="<html>not found</html>")
        if request.cookies.get("session") != "in" or (
            self.is_os and request.method == "POST" and request.headers.get("X-CSRF-Token") != TOKEN
        ):
            return refused(401, "api.err.LoginRequired")
        site, _, what = path.removeprefix(prefix).partition("/")
        if site != "default":
            return refused(400, "api.err.NoSiteContext")
        return await self._obey(request, what)

    async def _log_in(self, request: web.Request) -> web.Response:
        told = await request.json()
        if (told["username"], told["password"]) != ("turnpike", self.password):
            return refused(401 if self.is_os else 400, "api.err.Invalid")
        answer = web.json_response({"meta": {"rc": "ok"}, "data": []})
        answer.set_cookie("session", "in")
        if self.is_os:
            answer.headers["X-CSRF-Token"] = TOKEN
        return answer

    async def _obey(self, request: web.Request, what: str) -> web.Response:
        if what == "stat/sysinfo":
            return ok([{"name": "wlan", "version": "8.6.9", "uptime": 86400}])
        if what == "stat/sta":
            return ok(self.clients)
        if what != "cmd/stamgr":
            return refused(404, "api.err.NotFound")
        order = await request.json()
        self.orders.append(order)
        for client in self.clients:
            if client["mac"] == order["mac"]:
                client["authorized"] = order["cmd"] == "authorize-guest"
                return ok([])
        return (
            ok([]) if order["cmd"] == "authorize-guest" else refused(400, "api.err.UnknownStation")
        )


def ok(data: list[Any]) -> web.Response:
    return web.json_response({"meta": {"rc": "ok"}, "data": data})


def refused(status: int, why: str) -> web.Response:
    return web.json_response({"meta": {"rc": "error", "msg": why}, "data": []}, status=status)
