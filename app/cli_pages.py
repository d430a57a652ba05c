"""Listings, page by page: newest first or by name, fifty or as many as one asks for.

One convention for all: `--limit` (0 for all), and `--before` or `--after` to go on where
the last one ended.  Ten million rows need no memory here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app import cli_output as output
from app import instance
from app.cli_context import ID_MAX, number, settings_of
from core.config import Settings
from core.db import Database, Tx

LIMIT: Final = 50
PAGE_MAX: Final = 1_000

Limit = Annotated[int, typer.Option("--limit", help="How many at most; 0 for all.", min=0)]
Before = Annotated[
    int | None,
    typer.Option(
        "--before",
        metavar="ID",
        help="Only those older than this id: the next page.",
        parser=number,
        show_default=False,
    ),
]

Row = dict[str, object]
Read = Callable[[Tx, Any, int], Awaitable[Sequence[Row]]]
"""So many rows behind a key (an id or a name; None: from the start), in one transaction."""


def listed(
    config: Path | None,
    data_dir: Path | None,
    tenant: str | None,
    read: Read,
    columns: Sequence[str],
    *,
    limit: int,
    as_json: bool,
    start: int | str | None,
    key: str = "id",
    go_on: str = "--before",
) -> None:
    """Print what `read` finds behind `start`: as a table of `columns`, or whole as JSON.

    `key` is the column that `start` and the option `go_on` are of.
    """
    settings = settings_of(config, data_dir)
    with instance.database_url(settings) as url:
        found = _Pages(settings, url, tenant, read, key, limit)
        with closing(found.rows(start)) as pages:
            if as_json:
                output.as_json_array(chain.from_iterable(pages))
                return
            header = True
            for page in pages:
                output.table(page, columns, header=header)
                header = False
    if found.beyond is not None:
        output.note(f"more than {limit}: add {go_on} {found.beyond}, or --limit 0 for all")


class _Pages:
    """Afterwards `beyond` is the key that the next page begins behind; None: there is none."""

    def __init__(
        self, settings: Settings, url: str, tenant: str | None, read: Read, key: str, limit: int
    ) -> None:
        self.beyond: object = None
        self._settings = settings
        self._url = url
        self._tenant = tenant
        self._read = read
        self._key = key
        self._limit = limit

    def rows(self, start: object) -> Generator[Sequence[Row], None, None]:
        """The first page may be empty."""
        left = self._limit or ID_MAX
        with asyncio.Runner() as runner:
            opened = instance.opened(self._settings, self._url)
            database: Database = runner.run(opened.__aenter__())
            try:
                known = runner.run(instance.tenant(database, self._tenant))
                while True:
                    size = min(left + 1, PAGE_MAX)  # one more tells whether there are more
                    page = runner.run(self._page(database, known.id, start, size))
                    if len(page) > left:
                        yield page[:left]
                        self.beyond = page[left - 1][self._key] if left else start
                        return
                    yield page
                    if len(page) < size:
                        return
                    left -= len(page)
                    start = page[-1][self._key]
            finally:
                runner.run(opened.__aexit__(None, None, None))

    async def _page(
        self, database: Database, tenant_id: int, start: object, size: int
    ) -> Sequence[Row]:
        async with database.transaction(tenant_id) as tx:
            return await self._read(tx, start, size)
