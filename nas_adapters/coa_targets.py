"""A stored NAS as the CoA client wants it: where, with which secret, and what it can bear.

Made anew for each request rather than kept, so that a changed secret or port holds at once.
"""

from ipaddress import IPv4Address, IPv6Address

from core.secret import Vault
from nas_adapters.coa_values import CoaTarget
from nas_adapters.registry import StoredNas
from nas_adapters.secrets import open_coa_secret, open_secret
from nas_adapters.vendors import vendor


def target_of(
    nas: StoredNas, address: IPv4Address | IPv6Address, vault: Vault, tenant_id: int
) -> CoaTarget:
    """`address` is the box's own, of those that `nas` stands for.

    Raises:
        CannotOpen: its secret was sealed with another key.
        VendorNotFound: plain SQL named a vendor that there is not.
    """
    abilities = vendor(nas.spec.vendor).abilities
    if nas.coa_secret_sealed is not None:
        secret = open_coa_secret(vault, tenant_id, nas.id, nas.coa_secret_sealed)
    else:
        secret = open_secret(vault, tenant_id, nas.id, nas.secret_sealed)
    return CoaTarget(
        str(address),
        nas.spec.coa_port_in_use,
        secret,
        sends_event_timestamp=abilities.sends_event_timestamp,
        sends_message_authenticator=abilities.sends_message_authenticator,
        tenant_id=tenant_id,
        nas=nas.spec.name,
    )
