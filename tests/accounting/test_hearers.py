"""Who should have heard a NAS, and when it could not be heard."""

from pathlib import Path

import pytest

from accounting import staging
from accounting.hearers import NOTE, TURNS_MAX_S, Charge, Hearer, charges
from accounting.hearing import Deafness, Heard
from tests.accounting.ingesting import INTERIM, NOON_S, Node, packet, rows

NOW_S = 100_000
A = Hearer("a", 10_000, 50_000)


def test_who_heard_it_last_has_to_hear_it_and_who_heard_it_before_had_to_until_then() -> None:
    b = Hearer("b", 52_000, NOW_S - 10)
    assert charges([A, b], NOW_S) == [Charge(A, 52_000), Charge(b, None)]
    assert charges([A], NOW_S) == [Charge(A, None)], "there is nobody else"


def test_a_nas_that_takes_turns_has_several_hearers() -> None:
    b = Hearer("b", 20_000, A.until_s + TURNS_MAX_S)
    assert charges([A, b], NOW_S) == [Charge(A, None), Charge(b, None)]
    c = b._replace(until_s=b.until_s + 1)
    assert charges([A, c], NOW_S) == [Charge(A, A.until_s), Charge(c, None)]


def test_a_clock_that_was_ahead_leaves_the_others_in_charge() -> None:
    ahead = Hearer("b", 20_000, NOW_S + 86_400)
    one = A._replace(until_s=NOW_S - 60)
    assert charges([one, ahead], NOW_S) == [Charge(one, None), Charge(ahead, None)]


RUNS = [
    Heard("a", 0, 50_000),
    Heard("b", 0, 20_000),
    Heard("b", 30_000, NOW_S),
    Heard("gone", 0, 5_000),
]


@pytest.mark.parametrize(
    ("hearers", "expected"),
    [
        pytest.param([A], [(50_000, NOW_S)], id="it spoke to the one that is down"),
        pytest.param([Hearer("b", 0, NOW_S)], [(20_000, 30_000)], id="to the one that slept once"),
        pytest.param(
            [A, Hearer("b", 60_000, NOW_S)],
            [(20_000, 30_000), (50_000, 60_000)],
            id="it turned to the other",
        ),
        pytest.param([], [(20_000, 30_000), (50_000, NOW_S)], id="nobody knows to whom"),
        pytest.param([Hearer("gone", 0, 5_000)], [], id="to one that is gone for good"),
        pytest.param(
            [Hearer("new", 60_000, 70_000)],
            [(70_000, NOW_S)],
            id="to one that has not yet counted what waited",
        ),
    ],
)
def test_deaf_is_who_should_have_heard(
    hearers: list[Hearer], expected: list[tuple[int, int]]
) -> None:
    assert Deafness(RUNS, NOW_S).of(hearers) == (expected, [])


def test_what_nobody_heard_nobody_heard_whoever_it_spoke_to() -> None:
    """Such as under a node's former name."""
    runs = [Heard("a", 0, 1_000), Heard("b", 2_000, NOW_S)]
    assert Deafness(runs, NOW_S).of([Hearer("b", 2_000, NOW_S)]) == ([(1_000, 2_000)],) * 2


async def test_a_node_says_whom_it_heard_in_the_transaction_that_counts_it(
    fresh_database_url: str, tmp_path: Path
) -> None:
    node = Node(fresh_database_url, name="a")
    told = "SELECT nas_id, node, extract(epoch FROM since_at)::int - $1 AS since_s,"
    told += " extract(epoch FROM until_at)::int - $1 AS until_s, xmin::text AS writer"
    told += " FROM nas_heard ORDER BY nas_id"

    async def heard(at_s: int, nas_id: int = 11) -> list[tuple[int, int, int]]:
        records = (at_s, packet(None, at_s)), (at_s + 1, packet(INTERIM, at_s, at_s))
        await node.tell(tmp_path, *records, nas_id=nas_id)
        found = await rows(fresh_database_url, told, NOON_S)
        assert {row["node"] for row in found} == {"a"}
        return [(row["nas_id"], row["since_s"], row["until_s"]) for row in found]

    assert await heard(0) == [(11, 1, 1)]
    assert await heard(20) == [(11, 1, 1)], "not each batch is news"
    assert await heard(60, nas_id=12) == [(11, 1, 1), (12, 61, 61)]
    assert await heard(300) == [(11, 1, 301), (12, 61, 61)]
    assert await heard(302 + TURNS_MAX_S) == [(11, 3903, 3903), (12, 61, 61)]
    assert await heard(100) == [(11, 101, 101), (12, 61, 61)], "our clock was set back"
    await node.database.dispose()


async def test_what_is_no_news_is_found_by_its_key(fresh_database_url: str) -> None:
    """However many NASes a batch has: one by one they would be looked for in all the others."""
    node = Node(fresh_database_url)
    async with node.database.transaction() as tx:
        connection = await staging.begin(tx)
        asked = ([1] * 300, list(range(300)), "a", [float(NOON_S)] * 300)
        await connection.execute(NOTE, *asked)
        plan = await connection.fetch(f"EXPLAIN {NOTE}", *asked)
    await node.database.dispose()
    told = "\n".join(line[0] for line in plan)
    assert "Index Scan using pk_nas_heard" in told
    assert "Materialize" not in told
