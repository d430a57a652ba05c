"""Builds the hot path with mypyc where TURNPIKE_COMPILE=1 asks for it; otherwise does nothing.

The same sources either way: what is compiled is what runs in plain Python, only faster.
Everything else about the package is in pyproject.toml.
"""

import os

from setuptools import setup

# What runs for every packet or every login, and nothing that runs once.
HOT = (
    "aaa/access.py",
    "aaa/credentials.py",
    "aaa/directory.py",
    "aaa/facts.py",
    "aaa/finding.py",
    "aaa/methods/chap.py",
    "aaa/methods/choose.py",
    "aaa/methods/context.py",
    "aaa/methods/mppe.py",
    "aaa/methods/mschap.py",
    "aaa/methods/nt_response.py",
    "aaa/methods/outcome.py",
    "aaa/methods/pap.py",
    "aaa/policy.py",
    "aaa/rendering.py",
    "aaa/throttle.py",
    "accounting/counted_as.py",
    "accounting/counters.py",
    "accounting/event_time.py",
    "accounting/evidence.py",
    "accounting/extending.py",
    "accounting/folding.py",
    "accounting/groups.py",
    "accounting/identity.py",
    "accounting/memory.py",
    "accounting/pending.py",
    "accounting/points.py",
    "accounting/reading.py",
    "accounting/request.py",
    "accounting/sessions.py",
    "accounting/thinning.py",
    "accounting/usage.py",
    "accounting/walk.py",
    "core/radius/authenticity.py",
    "core/radius/clients.py",
    "core/radius/codec_error.py",
    "core/radius/counters.py",
    "core/radius/dedup.py",
    "core/radius/hiding.py",
    "core/radius/packet.py",
    "core/radius/ration.py",
    "core/radius/responder.py",
    "core/radius/server.py",
    "core/udp.py",
)


def compiled() -> list[object]:
    """The extension modules, if they are wanted."""
    if os.environ.get("TURNPIKE_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    return list(mypycify([*HOT], opt_level="3"))


setup(ext_modules=compiled())
