"""radclient reads what each dialect says: FreeRADIUS's dictionaries, and nobody's here."""

import hmac
import socket
from hashlib import md5
from threading import Thread

import pytest

from nas_adapters.vendors import VENDORS
from tests.nas_adapters.golden_rows import rows_of
from tests.peers.programs import needs, run

pytestmark = pytest.mark.peer

SECRET = b"golden"


@pytest.mark.parametrize("name", VENDORS)
def test_radclient_reads_what_is_written_down(name: str) -> None:
    for row in rows_of(name):
        octets = bytes.fromhex("".join(attr for packet in row.packets for attr in packet))
        if octets:
            assert read(octets) == row.read_as, row.what


def read(attributes: bytes) -> list[str]:
    """How radclient prints a reply with these attributes."""
    program = needs("radclient")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        answering = Thread(target=_answer, args=(server, attributes))
        answering.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        done = run(
            *(program, "-x", "-r", "1", "-t", "5", address, "auth", SECRET.decode()),
            stdin="User-Name=golden, User-Password=row, Message-Authenticator=0x00",
        )
        answering.join()
    _, _, answer = done.stdout.partition("Received Access-Accept")
    lines = [line.strip() for line in answer.splitlines() if line.startswith("\t")]
    return [line for line in lines if not line.startswith("Message-Authenticator")]


def _answer(server: socket.socket, attributes: bytes) -> None:
    """An Access-Accept to the first request, signed (RFC 2865 §3, RFC 3579 §3.2)."""
    request, asker = server.recvfrom(4096)
    length = 20 + 18 + len(attributes)
    header = bytes((2, request[1])) + length.to_bytes(2, "big")
    blank = b"\x50\x12" + bytes(16)
    signature = hmac.digest(SECRET, header + request[4:20] + blank + attributes, "md5")
    body = b"\x50\x12" + signature + attributes
    authenticator = md5(header + request[4:20] + body + SECRET).digest()
    server.sendto(header + authenticator + body, asker)
