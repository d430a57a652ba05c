"""FreeRADIUS as a peer, in the setting that suits it best on this machine.

    python -m bench.freeradius --store files --subscribers 1000     # start one and leave it up

Logins from two stores: `files` (all users in memory) and `sql` (rlm_sql on PostgreSQL).
Accounting into two: `radacct` (rlm_sql again) and `detail` (a text file that is not synced).
SQL means Debian's own schema and queries.  The configuration is written from scratch into a
temporary directory: one listener, its clients, and the modules that are needed; nothing of
/etc is changed.  Every user gets the attributes that Turnpike renders for the bench's plan.
"""

import argparse
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import postgres
from bench.accounting_packets import Stream
from bench.measure import Server
from bench.population import (
    ADDRESS_POOL,
    INTERIM_S,
    MIKROTIK_RATE_LIMIT,
    NASES,
    SECRET,
    SESSION_TIMEOUT_S,
    class_octets,
    nas_address,
    nas_name,
    subscriber,
)
from bench.processes import Failed, running

THREADS = 4  # 3 and 4 are the best on two cores, 8 lose a fifth
SQL_CONNECTIONS = 8
RADACCT_CONNECTIONS = 16
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
{clients}
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
    {modules}
}}
{server}
"""

_LOGIN_MODULES = """
    pap {
    }
    chap {
    }
    mschap {
        use_mppe = yes
    }
"""

_LOGINS = """
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

_ACCOUNTING = """
server default {{
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {port}
        recv_buff = 4194304
    }}
    preacct {{
        {preacct}
    }}
    accounting {{
        {store_name}
    }}
}}
"""

# The key of radacct as Debian's policy makes it of packets without a Class, without its
# asking for one.
_UNIQUE = """
        update request {
            &Acct-Unique-Session-Id := "%{md5:%{User-Name},%{Acct-Session-ID},\\
%{%{NAS-IPv6-Address}:-%{NAS-IP-Address}},%{NAS-Identifier},%{NAS-Port-ID},%{NAS-Port}}"
        }
"""

_CLIENT = """
client {name} {{
    ipaddr = {address}
    secret = {secret}
    require_message_authenticator = {signs}
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


_DETAIL = """
    detail {{
        filename = {directory}/detail
        permissions = 0600
    }}
"""

# Sessions of the past, as many on each box; the last quarter of them is still open.
_PAST = """
INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, nasportid, nasporttype,
    acctstarttime, acctupdatetime, acctstoptime, acctsessiontime, acctinputoctets,
    acctoutputoctets, calledstationid, callingstationid, acctterminatecause, servicetype,
    framedprotocol, framedipaddress)
SELECT 'past-' || n, md5(n::text), 'user' || lpad(who::text, 7, '0'),
    '127.0.0.1'::inet + n % {nases}, 'vlan' || 100 + who % 3000, 'Ethernet', began, ended,
    CASE WHEN n < {past} * 3 / 4 THEN ended END, 600, n, n, 'pppoe-access',
    '02:00:5E:' || lpad(who::text, 6, '0'), CASE WHEN n < {past} * 3 / 4 THEN 'User-Request' END,
    'Framed-User', 'PPP', '100.64.0.0'::inet + who
FROM generate_series(0, {past} - 1) AS n,
    LATERAL (SELECT {sessions} + n % ({past} / 4) AS who,
        to_timestamp({began_at}) - interval '1 day' + n * interval '0.4 s' AS began) AS one,
    LATERAL (SELECT began + interval '10 minutes' AS ended) AS two;
VACUUM ANALYZE;
"""

# What rlm_sql asks at each Interim and Stop.  Where statistics say that no session is open,
# PostgreSQL 15 answers it from radacct_bulk_close, reading all of them: a third of the speed.
_USUAL = (
    "EXPLAIN UPDATE radacct SET acctinterval = 1 WHERE acctuniqueid = 'x' AND acctstoptime IS NULL"
)
_STORED = """
SELECT count(*), coalesce(sum(acctoutputoctets), 0) FROM radacct
WHERE acctsessionid NOT LIKE 'past-%'
"""
_TRAP = "radacct_bulk_close"


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


def fill_past(cluster: postgres.Cluster, stream: Stream) -> None:
    """FreeRADIUS's own schema, and the past of the stream in radacct."""
    schema = _MODULES_OF_DEBIAN / "sql/main/postgresql/schema.sql"
    cluster.sql(schema.read_text())
    cluster.sql(
        _PAST.format(
            nases=NASES, past=stream.past, sessions=stream.sessions, began_at=stream.began_at
        )
    )
    check_plan(cluster)


def check_plan(cluster: postgres.Cluster) -> None:
    """Most of what FreeRADIUS asks finds its session by its key.

    Raises:
        Failed: it would not, and whoever is compared with that is flattered.
    """
    if _TRAP in (plan := cluster.sql(_USUAL)):
        raise Failed(f"FreeRADIUS's updates would read every open session: {plan}")


def sessions_of(cluster: postgres.Cluster) -> tuple[int, int]:
    """The sessions in radacct that are not of the past, and their output octets."""
    sessions, octets = cluster.sql(_STORED).strip().split("|")
    return int(sessions), int(octets)


@contextmanager
def files(subscribers: int, *, threads: int = THREADS) -> Iterator[Server]:
    """FreeRADIUS with all users in memory."""
    with TemporaryDirectory(prefix="bench-fr-") as name:
        directory = Path(name)
        with (directory / "users").open("w") as users:
            users.writelines(users_file(subscribers))
        modules = _LOGIN_MODULES + _FILES.format(directory=directory)
        with _started(directory, modules, _LOGINS, "files", threads) as (port, pid):
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
        modules = _LOGIN_MODULES + _sql_module(cluster, connections)
        port, pid = stack.enter_context(_started(directory, modules, _LOGINS, "sql", threads))
        yield Server("FreeRADIUS + PostgreSQL", port, (pid, cluster.pid))


@contextmanager
def radacct(
    stream: Stream,
    *,
    threads: int = RADACCT_CONNECTIONS,
    connections: int = RADACCT_CONNECTIONS,
) -> Iterator[tuple[Server, postgres.Cluster]]:
    """FreeRADIUS that answers a record when PostgreSQL has committed it."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bench-fr-")))
        cluster = stack.enter_context(postgres.cluster())
        fill_past(cluster, stream)
        modules = _sql_module(cluster, connections)
        port, pid = stack.enter_context(
            _started(directory, modules, _ACCOUNTING, "sql", threads, preacct=_UNIQUE)
        )
        yield Server("FreeRADIUS + PostgreSQL", port, (pid, cluster.pid)), cluster


@contextmanager
def detail(*, threads: int = THREADS) -> Iterator[Server]:
    """FreeRADIUS that answers a record when it has written it to a file, unsynced."""
    with TemporaryDirectory(prefix="bench-fr-") as name:
        directory = Path(name)
        modules = _DETAIL.format(directory=directory)
        with _started(directory, modules, _ACCOUNTING, "detail", threads) as (port, pid):
            yield Server("FreeRADIUS detail", port, (pid,))


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _started(
    directory: Path, modules: str, server: str, store: str, threads: int, *, preacct: str = ""
) -> Iterator[tuple[int, int]]:
    program = shutil.which("freeradius") or shutil.which("radiusd")
    if program is None:
        raise Failed("no FreeRADIUS here: install freeradius and freeradius-postgresql")
    port = free_port()
    signs = "yes" if server == _LOGINS else "no"  # accounting is signed without
    clients = (
        _CLIENT.format(name=nas_name(box), address=nas_address(box), secret=SECRET, signs=signs)
        for box in range(NASES)
    )
    configuration = _RADIUSD.format(
        directory=directory,
        modconf=_MODULES_OF_DEBIAN,
        clients="".join(clients),
        threads=threads,
        modules=modules,
        server=server.format(port=port, store_name=store, preacct=preacct),
    )
    (directory / "radiusd.conf").write_text(configuration)
    (directory / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n")
    command = [program, "-f", "-l", "stdout", "-d", str(directory), "-n", "radiusd"]
    with running(command) as started:
        started.wait_for(lambda said: "Ready to process requests" in said, _START_S)
        yield port, started.pid


def _sql_module(cluster: postgres.Cluster, connections: int) -> str:
    return _SQL.format(socket=cluster.directory, user=cluster.owner, connections=connections)


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
