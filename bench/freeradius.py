"""FreeRADIUS as a peer, in the setting that suits it best on this machine.

    python -m bench.freeradius --store files --subscribers 1000     # start one and leave it up

Two stores: `files` (all users in memory) and `sql` (rlm_sql on PostgreSQL, Debian's own
queries).  The configuration is written from scratch into a temporary directory: one
listener, one client, and the modules that a login needs; nothing of /etc is changed.
Every user gets the attributes that Turnpike renders for the bench's plan.
"""

import argparse
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import postgres
from bench.measure import Server
from bench.population import (
    ADDRESS_POOL,
    INTERIM_S,
    MIKROTIK_RATE_LIMIT,
    NAS_ADDRESS,
    SECRET,
    SESSION_TIMEOUT_S,
    class_octets,
    subscriber,
)
from bench.processes import Failed, running

THREADS = 4  # 3 and 4 are the best on two cores, 8 lose a fifth
SQL_CONNECTIONS = 8
_MODULES_OF_DEBIAN = Path("/etc/freeradius/3.0/mods-config")
_START_S = 120.0

_RADIUSD = """
name = freeradius
raddbdir = {directory}
confdir = ${{raddbdir}}
modconfdir = {modconf}
logdir = {directory}
run_dir = {directory}
pidfile = {directory}/freeradius.pid
libdir = /usr/lib/freeradius
max_request_time = 30
cleanup_delay = 5
max_requests = 262144
hostname_lookups = no
log {{
    destination = stdout
    auth = no
}}
security {{
    allow_core_dumps = no
    max_attributes = 200
    reject_delay = 1
    status_server = yes
}}
proxy_requests = no
client bench {{
    ipaddr = {nas}
    secret = {secret}
    require_message_authenticator = yes
}}
thread pool {{
    start_servers = {threads}
    max_servers = {threads}
    min_spare_servers = 1
    max_spare_servers = {threads}
    max_requests_per_server = 0
    max_queue_size = 65536
}}
modules {{
    expr {{
    }}
    pap {{
    }}
    chap {{
    }}
    mschap {{
        use_mppe = yes
    }}
    {store}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {port}
        recv_buff = 4194304
    }}
    authorize {{
        chap
        mschap
        {store_name}
        pap
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
        Auth-Type CHAP {{
            chap
        }}
        Auth-Type MS-CHAP {{
            mschap
        }}
    }}
}}
"""

_FILES = """
    files {{
        usersfile = {directory}/users
    }}
"""

_SQL = """
    sql {{
        dialect = "postgresql"
        driver = "rlm_sql_postgresql"
        radius_db = "host={socket} dbname=radius user={user}"
        acct_table1 = "radacct"
        acct_table2 = "radacct"
        postauth_table = "radpostauth"
        authcheck_table = "radcheck"
        groupcheck_table = "radgroupcheck"
        authreply_table = "radreply"
        groupreply_table = "radgroupreply"
        usergroup_table = "radusergroup"
        client_table = "nas"
        group_attribute = "SQL-Group"
        read_clients = no
        pool {{
            start = {connections}
            min = {connections}
            max = {connections}
            spare = 0
            uses = 0
            lifetime = 0
            idle_timeout = 0
        }}
        $INCLUDE ${{modconfdir}}/sql/main/postgresql/queries.conf
    }}
"""


def replies(number: int) -> list[tuple[str, str]]:
    """What a subscriber gets in an Access-Accept, in FreeRADIUS's words."""
    return [
        ("Service-Type", "Framed-User"),
        ("Framed-Protocol", "PPP"),
        ("Framed-Pool", ADDRESS_POOL),
        ("Session-Timeout", str(SESSION_TIMEOUT_S)),
        ("Acct-Interim-Interval", str(INTERIM_S)),
        ("Mikrotik-Rate-Limit", MIKROTIK_RATE_LIMIT),
        ("Class", "0x" + class_octets(number).hex()),
    ]


def users_file(subscribers: int) -> Iterator[str]:
    for number in range(subscribers):
        who = subscriber(number)
        yield f'{who.name} Cleartext-Password := "{who.password}"\n\t'
        yield ",\n\t".join(
            f"{name} = {value if name == 'Class' else _quoted(value)}"
            for name, value in replies(number)
        )
        yield "\n\n"


def fill(cluster: postgres.Cluster, subscribers: int) -> None:
    """FreeRADIUS's own schema, one row in radcheck and the replies in radreply for each."""
    schema = _MODULES_OF_DEBIAN / "sql/main/postgresql/schema.sql"
    cluster.sql(schema.read_text())
    check = ["COPY radcheck (username, attribute, op, value) FROM stdin;\n"]
    reply = ["COPY radreply (username, attribute, op, value) FROM stdin;\n"]
    for number in range(subscribers):
        who = subscriber(number)
        check.append(f"{who.name}\tCleartext-Password\t:=\t{who.password}\n")
        reply.extend(f"{who.name}\t{name}\t=\t{value}\n" for name, value in replies(number))
    for rows in (check, reply):
        cluster.sql("".join([*rows, "\\.\n"]))
    cluster.sql("VACUUM ANALYZE")


@contextmanager
def files(subscribers: int, *, threads: int = THREADS) -> Iterator[Server]:
    """FreeRADIUS with all users in memory."""
    with TemporaryDirectory(prefix="bench-fr-") as name:
        directory = Path(name)
        with (directory / "users").open("w") as users:
            users.writelines(users_file(subscribers))
        store = _FILES.format(directory=directory)
        with _started(directory, "files", store, threads) as (port, pid):
            yield Server("FreeRADIUS files", port, (pid,))


@contextmanager
def sql(
    subscribers: int, *, threads: int = SQL_CONNECTIONS, connections: int = SQL_CONNECTIONS
) -> Iterator[Server]:
    """FreeRADIUS that asks PostgreSQL at every login."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bench-fr-")))
        cluster = stack.enter_context(postgres.cluster())
        fill(cluster, subscribers)
        store = _SQL.format(socket=cluster.directory, user=cluster.owner, connections=connections)
        port, pid = stack.enter_context(_started(directory, "sql", store, threads))
        yield Server("FreeRADIUS + PostgreSQL", port, (pid, cluster.pid))


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _started(directory: Path, name: str, store: str, threads: int) -> Iterator[tuple[int, int]]:
    program = shutil.which("freeradius") or shutil.which("radiusd")
    if program is None:
        raise Failed("no FreeRADIUS here: install freeradius and freeradius-postgresql")
    port = free_port()
    configuration = _RADIUSD.format(
        directory=directory,
        modconf=_MODULES_OF_DEBIAN,
        nas=NAS_ADDRESS,
        secret=SECRET,
        threads=threads,
        store=store,
        store_name=name,
        port=port,
    )
    (directory / "radiusd.conf").write_text(configuration)
    (directory / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n")
    command = [program, "-f", "-l", "stdout", "-d", str(directory), "-n", "radiusd"]
    with running(command) as started:
        started.wait_for(lambda said: "Ready to process requests" in said, _START_S)
        yield port, started.pid


def _quoted(value: str) -> str:
    return f'"{value}"' if "/" in value or "-" in value else value


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", choices=("files", "sql"), default="files")
    parser.add_argument("--subscribers", type=int, default=1_000)
    arguments = parser.parse_args()
    start = {"files": files, "sql": sql}[arguments.store]
    with start(arguments.subscribers) as server:
        print(f"{server.name} on 127.0.0.1:{server.port}, secret {SECRET}; enter ends it")
        input()


if __name__ == "__main__":
    main()
