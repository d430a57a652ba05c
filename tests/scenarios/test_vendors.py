"""One subscriber at the NAS of every vendor: each reads the plan in its own words."""

import struct

import pytest

from tests.asking import Answer, Nas, Pair, pap_request
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = pytest.mark.scenario

KEY = SECRET.encode()
WISPR, MIKROTIK, CISCO, HUAWEI = 14122, 14988, 9, 2011
UP, DOWN = 20_000_000, 50_000_000


def u32(value: int) -> bytes:
    return struct.pack("!I", value)


def login(isp: Turnpike, host: str, username: str | bytes = "alice") -> Answer:
    with Nas(isp.auth, host) as nas:
        return nas.answer(pap_request(username, PASSWORD, secret=KEY), KEY)


POOL = (88, b"pool-a")

DIALECTS: dict[str, tuple[str, list[Pair], tuple[int, list[Pair]]]] = {
    "generic": ("127.0.0.6", [POOL], (WISPR, [(7, u32(UP)), (8, u32(DOWN))])),
    "mikrotik": ("127.0.0.2", [POOL], (MIKROTIK, [(8, b"20M/50M")])),
    "cisco": (
        "127.0.0.3",
        [],
        (
            CISCO,
            [
                (1, b"ip:addr-pool=pool-a"),
                (250, b"QU;20000000;3750000;7500000;D;50000000;9375000;18750000"),
            ],
        ),
    ),
    "huawei_bng": (
        "127.0.0.4",
        [POOL],
        (
            HUAWEI,
            [
                (2, u32(UP)), (3, u32(UP)), (1, u32(3_750_000)),
                (5, u32(DOWN)), (6, u32(DOWN)), (4, u32(9_375_000)),
            ],
        ),
    ),
    "accel_ppp": ("127.0.0.5", [POOL, (11, b"50000/20000")], (0, [])),
}  # fmt: skip


@pytest.mark.parametrize("vendor", DIALECTS)
def test_a_plan_is_said_in_the_words_of_the_nas_that_asks(isp: Turnpike, vendor: str) -> None:
    host, plain, (number, own) = DIALECTS[vendor]
    answer = login(isp, host)
    assert answer.code == 2
    common = [(27, u32(86_400)), (85, u32(300))]
    assert sorted(pair for pair in answer.attributes if pair[0] not in (25, 26, 80)) == sorted(
        [*common, *plain]
    )
    assert answer.of_vendor(number) == own
    assert len(answer.all(26)) == len(own), "and nobody else's words"
    [ours] = answer.all(25)
    assert ours.startswith(b"ai:")


def test_the_class_names_the_same_subscriber_everywhere(isp: Turnpike) -> None:
    classes = [login(isp, host).all(25)[0] for host, _, _ in DIALECTS.values()]
    assert len({one[:19] for one in classes}) == 1
    assert len(set(classes)) == len(classes)
