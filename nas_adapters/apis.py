"""The APIs by their kind: whoever wants a box to do something needs no other name."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Final

from nas_adapters import routeros_router, unifi_controller
from nas_adapters.api import NasApi
from nas_adapters.api_access import API_KINDS, ROUTEROS, UNIFI, ApiAccess

Connect = Callable[[ApiAccess], AbstractAsyncContextManager[NasApi]]

CONNECT: Final[Mapping[str, Connect]] = MappingProxyType(
    {ROUTEROS: routeros_router.connect, UNIFI: unifi_controller.connect}
)
assert tuple(CONNECT) == API_KINDS, "what a manifest may name can be connected to"
