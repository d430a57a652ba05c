"""A router that speaks the sentences of the RouterOS API.  Written against the protocol's
description, not against our side: words with their length, `!re`, `!trap`, `!done`.

Its tables are menus of rows; it knows print with queries, add, set and remove, and refuses
what a real one refuses.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

Row = dict[str, str]


@dataclass
class FakeRouter:
    username: str = "turnpike"
    password: str = "geheim"
    menus: dict[str, list[Row]] = field(default_factory=dict)
    silent_at: str = ""  # the command that it never answers
    slow_s: float = 0.0  # before each answer
    rubbish: bytes | None = None  # what it says instead of an answer
    keeps_dynamic_queues: bool = False  # says yes to a change and does not make it
    denied: frozenset[str] = frozenset()  # menus that our user may not see
    commands: list[str] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._ids = itertools.count(0x50)
        self._conversations: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, tls: SSLContext | None) -> AsyncIterator["FakeRouter"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._conversations:
                task.cancel()
            await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        is_in = False
        try:
            while sentence := await read_sentence(reader):
                command, words = sentence[0], sentence[1:]
                self.commands.append(command)
                arguments = dict(word[1:].split("=", 1) for word in words if word[0] == "=")
                queries = dict(word[1:].split("=", 1) for word in words if word[0] == "?")
                if command == self.silent_at:
                    continue
                if self.rubbish is not None:
                    writer.write(self.rubbish)
                    break
                await asyncio.sleep(self.slow_s)
                if command == "/login":
                    is_in = (arguments.get("name"), arguments.get("password")) == (
                        self.username,
                        self.password,
                    )
                    if not is_in:
                        say(writer, "!trap", "=message=invalid user name or password (6)")
                    say(writer, "!done")
                elif not is_in:
                    say(writer, "!fatal", "not logged in")
                    break
                else:
                    self._run(writer, command, arguments, queries)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._conversations.discard(task)

    def _run(
        self,
        writer: asyncio.StreamWriter,
        command: str,
        arguments: Mapping[str, str],
        queries: Mapping[str, str],
    ) -> None:
        menu, _, verb = command.rpartition("/")
        rows = self.menus.get(menu)
        if rows is None:
            say(writer, "!trap", "=message=no such command prefix", "=category=0")
        elif menu in self.denied:
            say(writer, "!trap", "=message=not enough permissions (9)")
        elif verb == "print":
            wanted = arguments.get(".proplist")
            for row in rows:
                if all(row.get(key) == value for key, value in queries.items()):
                    shown = (
                        row
                        if wanted is None
                        else {k: row[k] for k in wanted.split(",") if k in row}
                    )
                    say(writer, "!re", *(f"={key}={value}" for key, value in shown.items()))
        elif verb == "add":
            if any(row.get("address") == arguments.get("address") for row in rows):
                say(writer, "!trap", "=message=failure: already have such entry")
            else:
                row = {".id": f"*{next(self._ids):X}", "dynamic": "true", **arguments}
                rows.append(row)
                say(writer, "!done", f"=ret={row['.id']}")
                return
        else:
            named = [row for row in rows if row.get(".id") == arguments[".id"]]
            if not named:
                say(writer, "!trap", "=message=no such item (4)")
            elif verb == "remove":
                rows.remove(named[0])
            elif not self.keeps_dynamic_queues:
                named[0].update(arguments)
        say(writer, "!done")


def say(writer: asyncio.StreamWriter, *words: str) -> None:
    for word in (*words, ""):
        octets = word.encode("latin-1")
        writer.write(written_length(len(octets)) + octets)


async def read_sentence(reader: asyncio.StreamReader) -> list[str]:
    words = []
    while length := await read_length(reader):
        words.append((await reader.readexactly(length)).decode("latin-1"))
    return words


def written_length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    if length < 0x4000:
        return (length | 0x8000).to_bytes(2, "big")
    return (length | 0xC00000).to_bytes(3, "big")


async def read_length(reader: asyncio.StreamReader) -> int:
    first = (await reader.readexactly(1))[0]
    if first < 0x80:
        return first
    if first < 0xC0:
        return (first & 0x3F) << 8 | (await reader.readexactly(1))[0]
    return (first & 0x1F) << 16 | int.from_bytes(await reader.readexactly(2), "big")
