"""Fault P7 at a running Turnpike: the same request a hundred times is one decision."""

import json

import pytest

from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, Nas, pap_request, read, tlv
from tests.serving import PASSWORD, SECRET, Turnpike, eventually

pytestmark = pytest.mark.scenario

KEY = SECRET.encode()


@pytest.mark.parametrize(
    ("password", "code"), [(PASSWORD, ACCESS_ACCEPT), ("wrong", ACCESS_REJECT)]
)
def test_a_hundred_copies_are_one_decision_and_one_answer(
    isp: Turnpike, password: str, code: int
) -> None:
    station = f"copies-{code}"
    octets = pap_request("alice", password, tlv(31, station), secret=KEY)
    with Nas(isp.auth) as nas:
        for _ in range(50):  # a reject is in progress all the while
            nas.send(octets)
        first = nas.receive()
        assert first is not None
        replies = [first]
        while (reply := nas.receive(0.3)) is not None:
            replies.append(reply)
        # While a reject waits for its delay, copies get nothing; an Accept is sent at once.
        assert len(replies) == (50 if code == ACCESS_ACCEPT else 1)
        for _ in range(50):
            nas.send(octets)
            again = nas.receive()
            assert again is not None
            replies.append(again)
        assert set(replies) == {first}
        assert read(first, octets, KEY).code == code

    def decided() -> list[str]:
        found = json.loads(isp.command("decision", "list", "--json", "--username", "alice"))
        return [each["outcome"] for each in found if each["calling_station"] == station]

    eventually(decided, 10.0)
    assert decided() == ["accept" if code == ACCESS_ACCEPT else "reject"]
