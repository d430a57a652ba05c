"""A NAS may ask each turn of one EAP conversation from another port, and so another worker."""

import pytest

from tests.asking import ACCESS_ACCEPT, Answer, Nas, md5_conversation
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = pytest.mark.scenario

KEY = SECRET.encode()


def test_any_worker_goes_on_with_what_another_began(isp: Turnpike) -> None:
    """The step lies sealed in State, so nobody needs to remember it; two workers, 48 ports."""
    assert len(isp.worker_pids()) == 2

    def from_another_port(octets: bytes) -> Answer:
        with Nas(isp.auth) as nas:
            return nas.answer(octets, KEY)

    for _ in range(16):
        answers = md5_conversation(from_another_port, KEY, "alice", PASSWORD)
        assert [answer.code for answer in answers] == [11, 11, ACCESS_ACCEPT]
