"""Tells a real box to change or end a session, with the client that Turnpike does it with."""

from typing import Final

from core.clock import Clock
from core.radius.exchange import RetryPolicy
from dictionaries.loader import load
from nas_adapters.base import Step
from nas_adapters.coa import CoaClient, CoaResult, CoaTarget

DICTIONARY: Final = load()
SOON: Final = RetryPolicy(irt_s=0.12, mrd_s=3.0)


async def told(target: CoaTarget, step: Step) -> CoaResult:
    async with CoaClient(DICTIONARY, Clock(), policy=SOON) as client:
        return await client.send(target, step)
