"""Where a stored NAS is told, and with which secret."""

import os
from datetime import UTC, datetime
from ipaddress import IPv4Network, ip_address

import pytest

from core.secret import CannotOpen, Secret, Vault
from nas_adapters.coa_targets import target_of
from nas_adapters.registry import NasSpec, StoredNas
from nas_adapters.secrets import seal_coa_secret, seal_secret
from nas_adapters.vendors import VENDORS

VAULT = Vault(bytes(32), os.urandom)
TENANT, NAS = 3, 17
ADDRESS = ip_address("192.0.2.7")


def stored(spec: NasSpec, *, coa_secret: bytes | None = None) -> StoredNas:
    sealed = seal_secret(VAULT, TENANT, NAS, Secret(b"radius"))
    coa_sealed = coa_secret and seal_coa_secret(VAULT, TENANT, NAS, Secret(coa_secret))
    return StoredNas(NAS, spec, sealed, coa_sealed, False, datetime(2027, 1, 1, tzinfo=UTC))


def spec(vendor: str = "mikrotik", coa_port: int | None = None) -> NasSpec:
    return NasSpec("bras-2", IPv4Network("192.0.2.0/24"), vendor=vendor, coa_port=coa_port)


def test_it_is_told_at_its_vendors_port_with_its_radius_secret() -> None:
    target = target_of(stored(spec()), ADDRESS, VAULT, TENANT)
    assert (target.address, target.port) == ("192.0.2.7", VENDORS["mikrotik"].coa_port)
    assert target.secret == Secret(b"radius")
    assert (target.tenant_id, target.nas) == (TENANT, "bras-2")


def test_what_the_operator_says_goes_first() -> None:
    target = target_of(stored(spec(coa_port=1700), coa_secret=b"told"), ADDRESS, VAULT, TENANT)
    assert (target.port, target.secret) == (1700, Secret(b"told"))


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_it_is_told_as_its_vendor_bears_it(vendor: str) -> None:
    target = target_of(stored(spec(vendor)), ADDRESS, VAULT, TENANT)
    abilities = VENDORS[vendor].abilities
    assert target.sends_event_timestamp == abilities.sends_event_timestamp
    assert target.sends_message_authenticator == abilities.sends_message_authenticator


def test_another_tenants_secret_does_not_open() -> None:
    with pytest.raises(CannotOpen):
        target_of(stored(spec()), ADDRESS, VAULT, TENANT + 1)
