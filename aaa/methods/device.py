"""No password: the NAS vouches for the line or the device that asks.

Boxes send one all the same, of their own making.  Behind a line nobody can type any, so it is
not looked at.  Where a device's address is its name, it is what the box is set to: nothing, the
address again, or one word for all, which is then the subscriber's password here; somebody
with a password who typed another one is refused.
"""

from typing import Final

from aaa.methods import chap, pap
from aaa.methods.outcome import Credential, Outcome, Proven
from nas_adapters.mac import normalise

MAC: Final = "mac"
_PROVEN: Final = {each: Proven(each) for each in ("line", MAC, "unknown")}
_NOBODYS: Final = bytes(16)


def prove_bare(vouched: str) -> Outcome:
    """For a request without any proof; `vouched` is what the NAS answers for."""
    return _PROVEN[vouched]


def prove_pap(
    vouched: str,
    name: bytes,
    hidden: bytes,
    authenticator: bytes,
    credential: Credential | None,
    secret: bytes,
) -> Outcome:
    if vouched != MAC or credential is None:
        return _PROVEN[vouched]
    for word in _words(name):
        made_up = Credential(word, _NOBODYS, _NOBODYS)
        if isinstance(pap.prove(hidden, authenticator, made_up, secret), Proven):
            return _PROVEN[vouched]
    return pap.prove(hidden, authenticator, credential, secret)


def prove_chap(
    vouched: str, name: bytes, response: bytes, challenge: bytes, credential: Credential | None
) -> Outcome:
    if vouched != MAC or credential is None:
        return _PROVEN[vouched]
    for word in _words(name):
        made_up = Credential(word, _NOBODYS, _NOBODYS)
        if isinstance(chap.prove(response, challenge, made_up), Proven):
            return _PROVEN[vouched]
    return chap.prove(response, challenge, credential)


def _words(name: bytes) -> tuple[bytes, ...]:
    """What a box that was told no word gives as one: nothing, or the address as it writes it."""
    address = normalise(name)
    if address is None:
        return b"", name
    pairs = [address[at : at + 2] for at in range(0, 12, 2)]
    dotted = ".".join([address[at : at + 4] for at in range(0, 12, 4)])
    spelled = (address, ":".join(pairs), "-".join(pairs), dotted)
    return (
        b"",
        name,
        *(form for each in spelled for form in (each.encode(), each.upper().encode())),
    )
