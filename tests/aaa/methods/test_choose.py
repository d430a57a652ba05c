"""Exactly one proof a login (RFC 2865 §4.1, RFC 3579 §3.3)."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaa.methods import eap
from aaa.methods.choose import prove
from aaa.methods.outcome import Credential, Failed, Proven
from core.radius.hiding import hide_user_password
from core.radius.packet import attribute, vendor_attribute
from core.radius.types import (
    ARAP_PASSWORD,
    CHAP_PASSWORD,
    EAP_MESSAGE,
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP_RESPONSE,
    USER_PASSWORD,
    VENDOR_SPECIFIC,
)
from tests.aaa.methods.logins import (
    AUTHENTICATOR,
    CREDENTIAL,
    NAME,
    PASSWORD,
    SECRET,
    answer,
    context,
    login,
    reason,
)

GOOD = attribute(USER_PASSWORD, hide_user_password(PASSWORD.encode(), SECRET, AUTHENTICATOR))
PROOFS = {
    "pap": GOOD,
    "chap": attribute(CHAP_PASSWORD, bytes(17)),
    "arap": attribute(ARAP_PASSWORD, bytes(16)),
    "eap": attribute(EAP_MESSAGE, b"\2\x0b\0\x0f\1" + NAME),
    "mschap": vendor_attribute(MICROSOFT, MS_CHAP_RESPONSE, bytes(50)),
    "mschapv2": vendor_attribute(MICROSOFT, MS_CHAP2_RESPONSE, bytes(50)),
}


@pytest.mark.parametrize(("one", "other"), [*combinations(PROOFS, 2)])
def test_two_different_proofs_are_refused_though_one_is_right(one: str, other: str) -> None:
    outcome = prove(login(PROOFS[one], PROOFS[other]), NAME, CREDENTIAL, context())
    assert reason(outcome) == "two-proofs"
    carries_eap = "eap" in (one, other)
    assert outcome.attributes == (eap.failure(0x0B) if carries_eap else b"")


@pytest.mark.parametrize("method", ["pap", "chap", "mschap", "mschapv2"])
def test_the_same_proof_twice_is_refused(method: str) -> None:
    outcome = prove(login(PROOFS[method], PROOFS[method]), NAME, CREDENTIAL, context())
    assert reason(outcome) == "two-proofs"


def test_no_proof_is_refused() -> None:
    assert prove(login(), NAME, CREDENTIAL, context()) == Failed("none", "no-proof")


def test_arap_is_unsupported() -> None:
    outcome = prove(login(PROOFS["arap"]), NAME, CREDENTIAL, context())
    assert outcome == Failed("arap", "unsupported")


def test_a_denial_for_other_reasons_also_ends_the_conversation_if_there_is_one() -> None:
    assert eap.rejection(login(PROOFS["eap"])) == eap.failure(0x0B)
    assert eap.rejection(login(GOOD)) == b""


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(vendor_attribute(14988, MS_CHAP_RESPONSE, bytes(50)), id="another vendor's"),
        pytest.param(vendor_attribute(MICROSOFT, 10, b"DOMAIN"), id="another of Microsoft's"),
        pytest.param(
            attribute(VENDOR_SPECIFIC, b"\0\0\1\x37" + bytes((MS_CHAP_RESPONSE, 9))),
            id="a length that overruns",
        ),
        pytest.param(
            attribute(VENDOR_SPECIFIC, b"\0\0\1\x37" + bytes((MS_CHAP_RESPONSE, 0))),
            id="a length of nothing",
        ),
        pytest.param(attribute(VENDOR_SPECIFIC, b"\0\0\1\x37\1"), id="one octet"),
        pytest.param(attribute(VENDOR_SPECIFIC, b""), id="nothing"),
    ],
)
def test_other_vendor_attributes_are_no_proof_and_do_no_harm(other: bytes) -> None:
    assert prove(login(other, GOOD), NAME, CREDENTIAL, context()) == Proven("pap")


@given(
    number=st.sampled_from([2, 3, 70, 79]),
    value=st.binary(max_size=253),
    credential=st.sampled_from([CREDENTIAL, None]),
)
def test_whatever_a_proof_holds_it_is_judged_and_not_stumbled_over(
    number: int, value: bytes, credential: Credential | None
) -> None:
    outcome = prove(login(attribute(number, value)), NAME, credential, context())
    answer(outcome)
    assert not isinstance(outcome, Proven)


@given(
    inner=st.binary(max_size=249),
    challenge=st.binary(max_size=40),
)
def test_whatever_microsoft_attributes_hold_they_are_judged_and_not_stumbled_over(
    inner: bytes, challenge: bytes
) -> None:
    request = login(
        vendor_attribute(MICROSOFT, 11, challenge),
        attribute(VENDOR_SPECIFIC, b"\0\0\1\x37" + inner),
    )
    outcome = prove(request, NAME, CREDENTIAL, context())
    answer(outcome)
    assert isinstance(outcome, Failed)
