"""strongSwan, a VPN gateway, and another strongSwan that dials in at it, through a real tunnel.

IKEv2 with EAP, which the gateway's plugin eap-radius carries to us; it takes addresses from us,
counts octets in the tunnel, and does CoA and Disconnect.  Needs no IPsec of the kernel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas_adapters import generic
from nas_adapters.base import Attr, Step, Verb
from nas_adapters.coa import Acked, Naked
from tests.peers.books import Books, ending
from tests.peers.namespaces import Namespace, cable, into, namespace, out_of
from tests.peers.programs import needs, run, running
from tests.peers.telling import told
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = [pytest.mark.peer, pytest.mark.slow]

ADDRESS = "127.0.0.44"
GATEWAY, CALLER, BEHIND = "10.9.0.1", "10.9.0.2", "10.99.0.1"
STATIC = "10.66.0.9"
NAME = "vpn-erin"
DAEMON = """
charon-systemd {{
    load_modular = no
    load = random nonce openssl kdf pem hmac sha1 sha2 aes gcm md5 eap-identity {plugins} \
        kernel-libipsec kernel-netlink socket-default vici
    filelog {{
        stderr {{
            default = 1
            flush_line = yes
        }}
    }}
    journal {{
        default = -1
    }}
    plugins {{
        vici {{
            socket = unix://{directory}/vici
        }}
        eap-radius {{
            accounting = yes
            accounting_send_class = yes
            nas_identifier = vpn-gateway
            server = 127.0.0.1
            secret = {secret}
            retransmit_tries = 1
            station_id_with_port = no
            dae {{
                enable = yes
                listen = 127.0.0.1
                secret = {secret}
            }}
        }}
    }}
}}
"""
AT_GATEWAY = """
connections {{
    vpn {{
        version = 2
        local_addrs = {gateway}
        pools = radius
        local {{
            auth = psk
            id = gateway.example
        }}
        remote {{
            auth = eap-radius
            eap_id = %any
        }}
        children {{
            net {{
                local_ts = {behind}/32
            }}
        }}
    }}
}}
secrets {{
    ike-gateway {{
        secret = between-gateway-and-callers
    }}
}}
"""
AT_CALLER = """
connections {{
    vpn {{
        version = 2
        local_addrs = {caller}
        remote_addrs = {gateway}
        vips = 0.0.0.0
        local {{
            auth = eap
            eap_id = {name}
        }}
        remote {{
            auth = psk
            id = gateway.example
        }}
        children {{
            net {{
                remote_ts = {behind}/32
            }}
        }}
    }}
}}
secrets {{
    ike-gateway {{
        id = gateway.example
        secret = between-gateway-and-callers
    }}
    eap-caller {{
        id = {name}
        secret = {password}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Vpn:
    """The gateway and where its callers are."""

    books: Books
    gateway: Namespace
    outside: Namespace
    directory: Path

    @contextmanager
    def charon(self, where: Namespace, plugins: str, configuration: str) -> Iterator[Path]:
        """One strongSwan, configured; its directory."""
        directory = self.directory / plugins
        directory.mkdir(exist_ok=True)
        settings = directory / "strongswan.conf"
        settings.write_text(DAEMON.format(plugins=plugins, directory=directory, secret=SECRET))
        (directory / "swanctl.conf").write_text(configuration)
        log = directory / "log"
        log.write_text("")
        command = where.inside(needs("charon-systemd"))
        ready = "worker threads"
        with running(*command, log=log, ready=ready, STRONGSWAN_CONF=str(settings)):
            self.swanctl(directory, "--load-all", "--file", str(directory / "swanctl.conf"))
            yield directory

    def swanctl(self, directory: Path, *arguments: str) -> str:
        done = run(needs("swanctl"), *arguments, "--uri", f"unix://{directory}/vici")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def dialled_in(self, method: str = "eap-mschapv2", password: str = PASSWORD) -> Iterator[Path]:
        """Somebody, or an AssertionError if he is not let in; his strongSwan's directory."""
        configuration = AT_CALLER.format(
            caller=CALLER, gateway=GATEWAY, behind=BEHIND, name=NAME, password=password
        )
        with self.charon(self.outside, method, configuration) as caller:
            self.swanctl(caller, "--initiate", "--child", "net", "--timeout", "20")
            yield caller

    def exchange(self, count: int, there: int, back: int) -> None:
        """Datagrams through the tunnel, of so many octets of payload each way."""
        with (
            self.gateway.opens(7, BEHIND) as server,
            self.outside.opens(0, STATIC) as client,
        ):
            client.settimeout(10)
            server.settimeout(10)
            for _ in range(count):
                client.sendto(bytes(there), (BEHIND, 7))
                _, caller = server.recvfrom(4096)
                server.sendto(bytes(back), caller)
                assert len(client.recv(4096)) == back


@pytest.fixture(scope="module")
def vpn(isp: Turnpike, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vpn]:
    if not Path("/dev/net/tun").exists():
        pytest.skip("this machine has no /dev/net/tun, which strongSwan's own IPsec goes through")
    with (
        namespace() as gateway,
        namespace() as outside,
        out_of(gateway, 1812, isp.auth, source=ADDRESS),
        out_of(gateway, 1813, isp.acct, source=ADDRESS),
        into(gateway, 3799, address=ADDRESS) as (_, coa_port),
    ):
        cable(gateway, outside)
        gateway.run("ip", "address", "add", f"{GATEWAY}/24", "dev", "cable")
        gateway.run("ip", "address", "add", f"{BEHIND}/32", "dev", "lo")
        outside.run("ip", "address", "add", f"{CALLER}/24", "dev", "cable")
        isp.apply(
            {
                "tenant": "test-isp",
                "nas": [
                    {
                        "name": "vpn-gateway",
                        "address": ADDRESS,
                        "secret": SECRET,
                        "coa_port": coa_port,
                    }
                ],
                "subscriber": [
                    {
                        "username": NAME,
                        "password": PASSWORD,
                        "plan": "home",
                        "static_ipv4": STATIC,
                    }
                ],
            }
        )
        books = Books(isp, "vpn-gateway", ADDRESS, coa_port)
        one = Vpn(books, gateway, outside, tmp_path_factory.mktemp("strongswan"))
        configuration = AT_GATEWAY.format(gateway=GATEWAY, behind=BEHIND)
        with one.charon(gateway, "eap-radius", configuration):
            yield one


def test_a_caller_gets_his_address_and_what_goes_through_the_tunnel_is_counted(vpn: Vpn) -> None:
    with vpn.dialled_in() as caller:
        vpn.exchange(10, there=1000, back=200)
        session = vpn.books.session()
        vpn.swanctl(caller, "--terminate", "--ike", "vpn")
    known = vpn.books.ended(session)
    assert (known["closed_by"], known["terminate_cause"]) == ("stop", "User-Request")
    assert (known["username"], known["subscriber"]) == (NAME, NAME)
    assert known["framed_ip"] == STATIC
    assert known["class_nonce"]
    assert known["nas_identifier"] == "vpn-gateway"
    # With their headers, and with those of UDP and IP.
    assert known["input_octets"] == 10 * 1028
    assert known["output_octets"] == 10 * 228


def test_a_caller_may_prove_himself_by_eap_md5(vpn: Vpn) -> None:
    with vpn.dialled_in("eap-md5"):
        pass


@pytest.mark.parametrize("method", ["eap-mschapv2", "eap-md5"])
def test_a_wrong_password_is_no_tunnel(vpn: Vpn, method: str) -> None:
    with (
        pytest.raises(AssertionError, match="CHILD_SA 'net' failed"),
        vpn.dialled_in(method, "wrong"),
    ):
        pass


async def test_it_changes_and_ends_the_session_of_a_name(vpn: Vpn) -> None:
    target = vpn.books.target
    with vpn.dialled_in() as caller:
        session = vpn.books.session()
        longer = (Attr("User-Name", NAME), Attr("Session-Timeout", 7200))
        assert isinstance(await told(target, Step(Verb.COA, longer)), Acked)
        vpn.books.isp.command("session", "disconnect", str(session["id"]))
        assert vpn.books.ended(session)["closed_by"] == "stop"
        again = await told(target, ending(generic, session))
        assert "net" not in vpn.swanctl(caller, "--list-sas")
    assert isinstance(again, Naked)
    assert again.error_cause is None, "of 5.9.8: its NAK does not say why"
