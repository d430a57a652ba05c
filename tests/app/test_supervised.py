"""A child that cannot be started or renewed costs nobody else, and keeps what it had."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from app.supervised import Supervised
from core.clock import Clock
from core.config import Settings


def settings(data_dir: Path, **more: object) -> Settings:
    return Settings.model_validate(
        {"data_dir": str(data_dir), "database_url": "postgresql://nobody@127.0.0.1:1/none", **more}
    )


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Nothing can be started: a pipe to it needs descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def kept(child: Supervised) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(child.keep())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await child.stop(5.0)


def replicator(data_dir: Path) -> Supervised:
    return Supervised("replicator", ("replicator",), settings(data_dir), Clock(), alone=True)


def processes() -> list[int]:
    """Of this test: the children of this process."""
    return [
        int(number)
        for path in Path("/proc/self/task").glob("*/children")
        for number in path.read_text().split()
    ]


async def until(true: Callable[[], object]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within five seconds")


async def test_a_child_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    child = replicator(prepared(tmp_path))
    before = set(processes())
    with no_descriptor_left():
        task = asyncio.create_task(child.keep())
        await asyncio.sleep(0.5)
        assert not task.done()
    try:
        await until(lambda: set(processes()) - before)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await child.stop(5.0)


async def test_a_renewal_that_cannot_be_started_leaves_the_child(tmp_path: Path) -> None:
    child = replicator(prepared(tmp_path))
    async with kept(child) as task:
        await until(lambda: (tmp_path / "status" / "replicator.json").exists())
        with no_descriptor_left():
            assert not await child.renew(settings(tmp_path))
        await until(lambda: processes())
        assert not task.done()


async def test_one_that_is_alone_ends_before_its_successor_begins(tmp_path: Path) -> None:
    """And is renewed at once while its database is away, when it can never be ready."""
    child = replicator(prepared(tmp_path))
    others = set(processes())
    async with kept(child) as task:
        await until(lambda: (tmp_path / "status" / "replicator.json").exists())
        renewing = asyncio.create_task(child.renew(settings(tmp_path)))
        (old,) = set(processes()) - others
        together = 0
        while not renewing.done():
            together = max(together, len(set(processes()) - others))
            await asyncio.sleep(0.002)
        assert renewing.result()
        assert together == 1
        assert not {old} & set(processes())
        assert not task.done()
        assert child.restarts == 0


async def test_settings_that_a_child_cannot_live_with_are_not_kept(tmp_path: Path) -> None:
    child = replicator(prepared(tmp_path))
    async with kept(child):
        await until(lambda: (tmp_path / "status" / "replicator.json").exists())
        (tmp_path / "file").touch()
        assert not await child.renew(settings(tmp_path / "file" / "here"))
        (tmp_path / "status" / "replicator.json").unlink()
        await until(lambda: (tmp_path / "status" / "replicator.json").exists())


def prepared(data_dir: Path) -> Path:
    (data_dir / "status").mkdir()
    return data_dir
