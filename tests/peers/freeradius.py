"""FreeRADIUS with a configuration of its own in a temporary directory: Debian's files are
neither read nor changed, but for the dictionaries."""

import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.programs import running

COMMON = """
name = freeradius
raddbdir = {directory}
confdir = ${{raddbdir}}
logdir = {directory}
run_dir = {directory}
pidfile = {directory}/freeradius.pid
libdir = /usr/lib/freeradius
max_request_time = 30
cleanup_delay = 5
max_requests = 16384
hostname_lookups = no
log {{
    destination = stdout
    auth = no
}}
security {{
    allow_core_dumps = no
    max_attributes = 200
    reject_delay = 0
    status_server = yes
}}
client strict {{
    ipaddr = 127.0.0.1
    secret = {secret}
    require_message_authenticator = yes
}}
client lenient {{
    ipaddr = 127.0.0.7
    secret = {secret}
    require_message_authenticator = no
}}
thread pool {{
    start_servers = 1
    max_servers = 1
    min_spare_servers = 1
    max_spare_servers = 1
    max_requests_per_server = 0
}}
"""
SERVER = """
proxy_requests = no
modules {{
    pap {{
    }}
    chap {{
    }}
    mschap {{
        use_mppe = yes
    }}
    eap {{
        default_eap_type = md5
        timer_expire = 60
        md5 {{
        }}
    }}
    files {{
        usersfile = {directory}/users
    }}
    always ok {{
        rcode = ok
    }}
    always reject {{
        rcode = reject
    }}
}}
server nas {{
    listen {{
        type = coa
        ipaddr = 127.0.0.1
        port = {coa}
    }}
    recv-coa {{
        if (&Acct-Session-Id == "gone") {{
            update reply {{
                Error-Cause := Session-Context-Not-Found
                Reply-Message := "no such session"
            }}
            reject
        }}
        update reply {{
            User-Name := "%{{Packet-Type}} for %{{User-Name}}"
            Event-Timestamp := "%{{integer:Event-Timestamp}}"
            Message-Authenticator := 0x00
        }}
        ok
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {auth}
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {acct}
    }}
    authorize {{
        chap
        mschap
        eap
        files
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
        eap
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class FreeRadius:
    """One that serves on 127.0.0.1."""

    auth: tuple[str, int]
    acct: tuple[str, int]
    coa: tuple[str, int]  # a NAS of a kind: ends and changes any session but "gone"


@contextmanager
def freeradius(program: str, secret: str, users: Mapping[str, str]) -> Iterator[FreeRadius]:
    """Serve `users`, name to password."""
    auth, acct, coa = free_port(), free_port(), free_port()
    known = "".join(
        f'"{name}" Cleartext-Password := "{password}"\n\tClass = 0x6672\n\n'
        for name, password in users.items()
    )
    with configured(program, secret, SERVER, users=known, auth=auth, acct=acct, coa=coa):
        yield FreeRadius(("127.0.0.1", auth), ("127.0.0.1", acct), ("127.0.0.1", coa))


@contextmanager
def configured(
    program: str, secret: str, more: str, *, users: str = "", **ports: object
) -> Iterator[None]:
    """One that serves with what is `COMMON`, and `more` that may hold what is given here."""
    directory = Path(tempfile.mkdtemp(prefix="peer-freeradius-"))
    (directory / "radiusd.conf").write_text(
        (COMMON + more).format(directory=directory, secret=secret, **ports)
    )
    (directory / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n")
    (directory / "users").write_text(users)
    command = (program, "-f", "-l", "stdout", "-d", str(directory), "-n", "radiusd")
    try:
        with running(*command, log=directory / "log", ready="Ready to process requests"):
            yield
    finally:
        shutil.rmtree(directory)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
