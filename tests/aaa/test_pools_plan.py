"""The arithmetic of pools: blocks cover each address once, and what is left out is not given."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaa.pools_plan import (
    BLOCK_ITEMS_MAX,
    DELEGATED_PREFIX,
    IPV4,
    Network,
    PoolSpec,
    Span,
    block_length_of,
    blocks,
    items,
    mistake,
    network_of,
    of_range,
    total,
    usable,
    withdrawn,
)


@st.composite
def specs(draw: st.DrawFn) -> PoolSpec:
    """Pools that `mistake` takes."""
    kind = draw(st.sampled_from((IPV4, DELEGATED_PREFIX)))
    length = 32 if kind == IPV4 else draw(st.integers(48, 60))
    base = int(ip_address("10.0.0.0" if kind == IPV4 else "2001:db8::"))
    width = 32 if kind == IPV4 else 128
    found: list[Network] = []
    for number in range(draw(st.integers(1, 3))):
        prefix = length - draw(st.integers(0, 8))
        # Networks of 2^10 items apart never meet.
        address = base + (number << (width - length + 10))
        address += draw(st.integers(0, 3)) << (width - prefix)
        found.append(ip_network((address, prefix)))
    exclude = []
    if draw(st.booleans()):
        one = draw(st.sampled_from(found))
        first = draw(st.integers(0, one.num_addresses - 1))
        last = draw(st.integers(first, min(one.num_addresses - 1, first + (8 << (width - length)))))
        exclude.append(f"{one[first]}-{one[last]}")
    return PoolSpec("p", kind, tuple(found), length, tuple(exclude))


@given(specs())
def test_blocks_hold_each_item_once_and_those_that_are_left_out_are_withdrawn(
    spec: PoolSpec,
) -> None:
    length = block_length_of(spec)
    every = [
        (block, packed)
        for block in blocks(spec, length)
        for packed in items(block, spec.prefix_length)
    ]
    packed = [one for _, one in every]
    assert len(packed) == len(set(packed)) == total(spec)
    assert all(
        network_of(one, spec.prefix_length).subnet_of(block)  # type: ignore[arg-type]
        for block, one in every
    )
    out = {one for block in blocks(spec, length) for one in withdrawn(block, spec, ())}
    assert out <= set(packed)
    assert total(spec) - len(out) == usable(spec)
    excluded = [network for text in spec.exclude for network in of_range(text)]
    for one in packed:
        network = network_of(one, spec.prefix_length)
        assert (one in out) == any(network.overlaps(other) for other in excluded)


@given(specs())
def test_a_pool_that_grows_keeps_the_blocks_that_it_had(spec: PoolSpec) -> None:
    """Else a block of the one cut would overlap one of the other, and neither could be taken."""
    length = block_length_of(spec)
    assert 1 <= 1 << (spec.prefix_length - length) <= BLOCK_ITEMS_MAX
    base = ip_address("172.16.0.0" if spec.kind == IPV4 else "2001:db9::")
    more = ip_network((int(base), spec.prefix_length - 8))
    grown = replace(spec, networks=(*spec.networks, more))
    assert [*blocks(spec, length)] == [*blocks(grown, length)][: len([*blocks(spec, length)])]
    assert total(grown) == total(spec) + 256


def test_what_a_pool_does_not_have_any_more_is_withdrawn() -> None:
    spec = PoolSpec("p", IPV4, (ip_network("10.0.0.0/29"),))
    assert withdrawn(ip_network("10.0.0.0/29"), spec, ()) == frozenset()
    assert len(withdrawn(ip_network("10.0.0.0/28"), spec, ())) == 8
    assert len(withdrawn(ip_network("10.0.1.0/28"), spec, ())) == 16
    own = Span(int(ip_address("10.0.0.3")), int(ip_address("10.0.0.3")))
    assert withdrawn(ip_network("10.0.0.0/29"), spec, (own,)) == {bytes((10, 0, 0, 3))}


def test_an_address_of_somebodys_own_takes_the_whole_prefix_that_it_lies_in() -> None:
    spec = PoolSpec("p", DELEGATED_PREFIX, (ip_network("2001:db8::/48"),), 56)
    own = int(ip_address("2001:db8:0:142::7"))
    [packed] = withdrawn(ip_network("2001:db8::/48"), spec, (Span(own, own),))
    assert str(network_of(packed, 56)) == "2001:db8:0:100::/56"


@pytest.mark.parametrize("items_wanted", [1, 63, 64, 16_384, 1 << 20])
def test_a_pool_has_some_sixty_blocks_or_blocks_of_their_greatest_size(items_wanted: int) -> None:
    networks = (ip_network(("10.0.0.0", 33 - items_wanted.bit_length())),)
    spec = PoolSpec("p", IPV4, networks)
    assert mistake(spec) is None
    number = sum(1 for _ in blocks(spec, block_length_of(spec)))
    assert number == max(min(64, total(spec)), total(spec) // BLOCK_ITEMS_MAX)
