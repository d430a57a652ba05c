import pytest

from aaa.credentials import open_credential, seal_credential
from aaa.methods.md4 import credential_of
from core.errors import Invalid
from core.secret import CannotOpen, Vault

VAULT = Vault(bytes(32), random=lambda n: bytes(n))


@pytest.mark.parametrize("password", ["a", "hunter2", "pässwörd €", "x" * 128])
def test_what_was_sealed_opens_as_what_proofs_need(password: str) -> None:
    sealed = seal_credential(VAULT, 1, 2, password)
    assert open_credential(VAULT, 1, 2, sealed) == credential_of(password)
    assert password.encode() not in sealed


@pytest.mark.parametrize(("tenant_id", "subscriber_id"), [(1, 3), (2, 2), (2, 1)])
def test_a_seal_moved_to_another_row_does_not_open(tenant_id: int, subscriber_id: int) -> None:
    with pytest.raises(CannotOpen):
        open_credential(VAULT, tenant_id, subscriber_id, seal_credential(VAULT, 1, 2, "hunter2"))


def test_a_password_that_no_method_could_carry_is_refused() -> None:
    with pytest.raises(Invalid, match="128 octets"):
        seal_credential(VAULT, 1, 2, "x" * 129)
