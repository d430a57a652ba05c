"""The boxes that may ask, found by where a packet came from (RFC 2865 §3).

The shared secret is chosen by source address; where several boxes stand behind one
address, the NAS-Identifier they report tells them apart, and the secret found that way
must then prove it.  A packet from anybody else costs a look-up and leaves nothing.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address

from core.radius.authenticity import SharedSecret
from core.radius.counters import Counters
from core.radius.packet import Packet
from core.radius.types import NAS_IDENTIFIER


class Client:
    """One NAS as the protocol sees it; `id` means something to the caller alone."""

    __slots__ = ("counters", "id", "name", "require_message_authenticator", "secret")

    def __init__(
        self,
        id: int,  # noqa: A002 - the caller's word for it
        name: str,
        secret: SharedSecret,
        require_message_authenticator: bool,
        counters: Counters,
    ) -> None:
        self.id = id
        self.name = name
        self.secret = secret
        self.require_message_authenticator = require_message_authenticator
        self.counters = counters


class Boxes:
    """The clients of one address or network: at most one without an identifier."""

    __slots__ = ("anyone", "by_identifier")

    def __init__(self) -> None:
        self.anyone: Client | None = None
        self.by_identifier: dict[bytes, Client] = {}

    def sender(self, packet: Packet) -> Client | None:
        """Which of them sent `packet`, by the NAS-Identifier that it reports."""
        if self.by_identifier:
            client = self.by_identifier.get(packet.get(NAS_IDENTIFIER) or b"")
            if client is not None:
                return client
        return self.anyone

    @property
    def only(self) -> Client | None:
        """Who must have sent whatever came, if that can be said without looking at it."""
        if self.anyone is None and len(self.by_identifier) == 1:
            return next(iter(self.by_identifier.values()))
        return None if self.by_identifier else self.anyone


# Hosts of known networks that are remembered once they asked: finding them costs more than
# answering them.  Bounded, because within such a network anybody may pretend to be many.
HOSTS_FOUND_MAX = 4_096


class Clients:
    """All clients, immutable: a change makes a new one."""

    def __init__(
        self, entries: Iterable[tuple[IPv4Network | IPv6Network, bytes, Client]] = ()
    ) -> None:
        """`entries` are (network, NAS-Identifier or empty, client)."""
        self._hosts: dict[str, Boxes] = {}
        networks: dict[tuple[int, int], dict[int, Boxes]] = {}
        for network, identifier, client in entries:
            if network.prefixlen == network.max_prefixlen:
                boxes = self._hosts.setdefault(str(network.network_address), Boxes())
            else:
                sized = networks.setdefault((network.version, network.prefixlen), {})
                boxes = sized.setdefault(int(network.network_address), Boxes())
            if identifier:
                boxes.by_identifier[identifier] = client
            else:
                boxes.anyone = client
        # Longest prefix first: the narrower network knows better.
        self._networks: Mapping[int, list[tuple[int, dict[int, Boxes]]]] = {
            version: [
                ((32 if version == 4 else 128) - size, sized)
                for (v, size), sized in sorted(networks.items(), reverse=True)
                if v == version
            ]
            for version in (4, 6)
        }
        self._has_networks = bool(networks)
        self._hosts_found = 0

    def at(self, host: str) -> Boxes | None:
        """Who may speak from `host` (text of an address), if anybody."""
        boxes = self._hosts.get(host)
        if boxes is None and self._has_networks:
            return self._in_network(host)
        return boxes

    def _in_network(self, host: str) -> Boxes | None:
        address = ip_address(host)
        number = int(address)
        for host_bits, sized in self._networks[address.version]:
            boxes = sized.get(number >> host_bits << host_bits)
            if boxes is not None:
                if self._hosts_found < HOSTS_FOUND_MAX:
                    self._hosts_found += 1
                    self._hosts[host] = boxes
                return boxes
        return None
