"""A pool as arithmetic: which addresses it has, in which blocks nodes take them, what is left out.

An item is what one subscriber gets: an IPv4 address, or an IPv6 prefix of the pool's length.
A block is a network of items that one node has for itself.  Its length is fixed when the pool
is made: networks that come later are cut alike, so that no two blocks ever overlap.

Knows no node, no lease and no database.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)
from itertools import pairwise
from typing import Final, NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IPV4: Final = "ipv4"
IPV6_PREFIX: Final = "ipv6_prefix"  # on the link: Framed-IPv6-Prefix
DELEGATED_PREFIX: Final = "delegated_prefix"  # to route behind: Delegated-IPv6-Prefix
KINDS: Final = (IPV4, IPV6_PREFIX, DELEGATED_PREFIX)

ATTRIBUTES: Final = {
    IPV4: "Framed-IP-Address",
    IPV6_PREFIX: "Framed-IPv6-Prefix",
    DELEGATED_PREFIX: "Delegated-IPv6-Prefix",
}
PREFIX_LENGTHS: Final = {IPV4: (32, 32), IPV6_PREFIX: (48, 127), DELEGATED_PREFIX: (32, 64)}
PREFIX_LENGTH_USUAL: Final = {IPV4: 32, IPV6_PREFIX: 64, DELEGATED_PREFIX: 56}
ITEMS_MAX: Final = 1 << 20
NETWORKS_MAX: Final = 256
BLOCKS_WANTED: Final = 64
BLOCK_ITEMS_MAX: Final = 256
LEASE_S: Final = 3_600
HOLD_S: Final = 86_400


class Span(NamedTuple):
    """Addresses from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool as an operator describes it."""

    name: str
    kind: str
    networks: tuple[Network, ...]
    prefix_length: int = 32  # of an item
    exclude: tuple[str, ...] = ()  # networks, addresses, or "first-last"
    lease_s: int = LEASE_S  # without word of a session for so long, its address is free again
    hold_s: int = HOLD_S  # without the database for so long, a node gives no more addresses


def of_range(text: str) -> tuple[Network, ...]:
    """The networks that ``10.0.0.0/24``, ``10.0.0.9`` or ``10.0.0.10-10.0.0.99`` is made of.

    Raises:
        ValueError: what to write instead.
    """
    first, dash, last = (part.strip() for part in text.partition("-"))
    try:
        if not dash:
            return (ip_network(first),)
        begin, end = ip_address(first), ip_address(last)
    except ValueError as wrong:
        told = "has bits beyond its length" if "host bits" in str(wrong) else "is none"
        raise ValueError(
            f"{told}: write a network (10.0.0.0/24, 2001:db8::/40) or a range (10.0.0.10-10.0.0.99)"
        ) from None
    if isinstance(begin, IPv4Address) and isinstance(end, IPv4Address) and begin <= end:
        return tuple(summarize_address_range(begin, end))
    if isinstance(begin, IPv6Address) and isinstance(end, IPv6Address) and begin <= end:
        return tuple(summarize_address_range(begin, end))
    raise ValueError("the range ends before it begins: write first-last, of one family")


def span_of(network: Network) -> Span:
    return Span(int(network.network_address), int(network.broadcast_address))


def spans_of(exclude: Iterable[str]) -> tuple[Span, ...]:
    """What `PoolSpec.exclude` leaves out."""
    return tuple([span_of(network) for text in exclude for network in of_range(text)])


def width(spec_kind: str) -> int:
    """How many bits an address has."""
    return 32 if spec_kind == IPV4 else 128


def items_in(network: Network, prefix_length: int) -> int:
    return 1 << (prefix_length - network.prefixlen)


def total(spec: PoolSpec) -> int:
    """How many items its networks have, those left out included."""
    return sum(items_in(network, spec.prefix_length) for network in spec.networks)


def usable(spec: PoolSpec) -> int:
    """How many of them may be given out."""
    return total(spec) - sum(
        _items_touched(spec, span, span_of(network))
        for network in spec.networks
        for span in _merged(spec, spans_of(spec.exclude))
    )


def block_length_of(spec: PoolSpec) -> int:
    """The prefix length of the pool's blocks: some 64 of them, none of more than 256 items."""
    items = max(1, min(BLOCK_ITEMS_MAX, total(spec) // BLOCKS_WANTED))
    return spec.prefix_length - (items.bit_length() - 1)


def blocks(spec: PoolSpec, block_length: int) -> Iterator[Network]:
    """All blocks, in order; a network that is smaller than a block is one."""
    for network in spec.networks:
        yield from network.subnets(new_prefix=max(block_length, network.prefixlen))


def is_within(block: Network, spec: PoolSpec) -> bool:
    """Whether the pool still has all of a block."""
    begin, end = span_of(block)
    return any(first <= begin and end <= last for first, last in map(span_of, spec.networks))


def items(block: Network, prefix_length: int) -> Iterator[bytes]:
    """The first address of each item, as octets in network order."""
    step = 1 << (block.max_prefixlen - prefix_length)
    size = block.max_prefixlen // 8
    begin, end = span_of(block)
    for number in range(begin, end + 1, step):
        yield number.to_bytes(size, "big")


def network_of(packed: bytes, prefix_length: int) -> Network:
    """The item whose first address is `packed`."""
    if len(packed) == 4:
        return IPv4Network((packed, prefix_length))
    return IPv6Network((packed, prefix_length))


def withdrawn(block: Network, spec: PoolSpec, taken: Sequence[Span]) -> frozenset[bytes]:
    """The items of a block that must not be given: left out, in part too, beyond the pool's
    networks by now, or somebody's own (`taken`)."""
    step = 1 << (block.max_prefixlen - spec.prefix_length)
    size = block.max_prefixlen // 8
    begin, end = span_of(block)
    homes = [span_of(network) for network in spec.networks if network.version == block.version]
    found: set[int] = set()
    if not any(home.first <= begin and end <= home.last for home in homes):
        found.update(
            number
            for number in range(begin, end + 1, step)
            if not any(home.first <= number and number + step - 1 <= home.last for home in homes)
        )
    for span in (*spans_of(spec.exclude), *taken):
        if span.first <= end and begin <= span.last:
            first = max(begin, span.first) // step * step
            found.update(range(first, min(end, span.last) + 1, step))
    return frozenset([number.to_bytes(size, "big") for number in found])


def mistake(spec: PoolSpec) -> tuple[str, str] | None:
    """The key and what is wrong with it, if anything: in itself, whatever other pools there are."""
    version = 4 if spec.kind == IPV4 else 6
    least, most = PREFIX_LENGTHS[spec.kind]
    if not least <= spec.prefix_length <= most:
        return "prefix_length", f"{spec.prefix_length}: write a length from {least} to {most}"
    if not 1 <= len(spec.networks) <= NETWORKS_MAX:
        return "networks", f"write 1 to {NETWORKS_MAX} networks"
    for network in spec.networks:
        if network.version != version:
            return "networks", f"{network}: a pool of kind {spec.kind} has IPv{version} networks"
        if network.is_multicast or network.is_loopback or network.is_unspecified:
            return "networks", f"{network}: no subscriber can have these: write unicast ones"
        if network.prefixlen > spec.prefix_length:
            return "networks", f"{network}: smaller than one prefix of /{spec.prefix_length}"
    for key, networks in (
        ("networks", spec.networks),
        ("exclude", [one for text in spec.exclude for one in of_range(text)]),
    ):
        ordered = sorted(networks, key=lambda network: (network.version, span_of(network)))
        for before, after in pairwise(ordered):
            if before.version == after.version and span_of(before).last >= span_of(after).first:
                return key, f"{before} and {after} overlap: write each address once"
    for text in spec.exclude:
        if any(one.version != version for one in of_range(text)):
            return "exclude", f"{text}: a pool of kind {spec.kind} has IPv{version} addresses"
    if total(spec) > ITEMS_MAX:
        return "networks", f"too large: {total(spec)} of them, no more than {ITEMS_MAX} in a pool"
    if usable(spec) == 0:
        return "exclude", "leaves nothing: a pool has at least one address to give"
    return None


def _merged(spec: PoolSpec, spans: Iterable[Span]) -> list[Span]:
    """The same in whole items, each once."""
    step = 1 << (width(spec.kind) - spec.prefix_length)
    found: list[Span] = []
    for span in sorted(spans):
        first, last = span.first // step * step, span.last // step * step + step - 1
        if found and first <= found[-1].last + 1:
            found[-1] = Span(found[-1].first, max(found[-1].last, last))
        else:
            found.append(Span(first, last))
    return found


def _items_touched(spec: PoolSpec, span: Span, home: Span) -> int:
    step = 1 << (width(spec.kind) - spec.prefix_length)
    first, last = max(span.first, home.first), min(span.last, home.last)
    return max(0, (last - first + step) // step) if first <= last else 0
