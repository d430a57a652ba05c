"""Limits of a quota, decoded by radclient with FreeRADIUS's own dictionaries."""

import pytest

from core.radius.authenticity import SharedSecret
from core.radius.codec import encode_named
from core.radius.packet import Packet
from core.radius.types import ACCESS_ACCEPT
from dictionaries.loader import load
from nas_adapters.profile import ServiceProfile
from nas_adapters.vendors import vendor
from tests.bench.answering import answering
from tests.peers.programs import needs, run
from tests.peers.test_radclient import received

pytestmark = pytest.mark.peer

DICTIONARY = load()
SECRET = "s3cret"
GIB = 2**30


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "mikrotik",
            {
                "Mikrotik-Recv-Limit = 2147483648",
                "Mikrotik-Recv-Limit-Gigawords = 0",
                "Mikrotik-Xmit-Limit = 0",
                "Mikrotik-Xmit-Limit-Gigawords = 1",
                "Mikrotik-Total-Limit = 1073741824",
                "Mikrotik-Total-Limit-Gigawords = 1",
            },
        ),
        ("huawei_bng", {"Huawei-Remanent-Volume = 5242880"}),
    ],
)
def test_radclient_reads_the_limits(name: str, expected: set[str]) -> None:
    profile = ServiceProfile(
        limit_octets=5 * GIB, limit_upload_octets=2 * GIB, limit_download_octets=4 * GIB
    )
    attributes = b"".join(
        encode_named(DICTIONARY, attr.name, attr.value) for attr in vendor(name).limits(profile)
    )
    shared = SharedSecret(SECRET.encode())

    def accept(request: Packet, _before: int) -> list[bytes]:
        return [shared.reply(ACCESS_ACCEPT, request, attributes)]

    with answering(accept) as server:
        done = run(
            needs("radclient"),
            *("-x", "-r", "1", "-t", "3", f"127.0.0.1:{server.port}", "auth", SECRET),
            stdin="User-Name=alice, User-Password=x, Message-Authenticator=0x00",
        )
    code, told = received(done.stdout)
    assert code == "Access-Accept"
    assert {one for one in told if not one.startswith("Message-Authenticator")} == expected
