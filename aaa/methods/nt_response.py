"""The arithmetic of MS-CHAP: SHA-1 and DES over the NT hash (RFC 2433, RFC 2759 §8).

Octets in, octets out; knows no attributes.  Three DES operations are most of what an
MS-CHAP login costs, so what surrounds them is kept small.
"""

from hashlib import sha1

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

CHALLENGE_OCTETS = 16  # RFC 2759 §3; a peer's has as many
SUCCESS_OCTETS = 42  # "S=" and 20 octets in hex

_ECB = ECB()  # noqa: S305 - RFC 2759 §8.6 is one block, where modes do not differ

# RFC 2759 §8.7
_SIGNING = b"Magic server to client signing constant"
_ITERATION = b"Pad to make it do more than one iteration"


def without_domain(name: bytes) -> bytes:
    r"""A ``DOMAIN\`` before the name is not hashed (RFC 2759 §4)."""
    return name[name.find(b"\\") + 1 :]


def challenge_hash(peer_challenge: bytes, challenge: bytes, name: bytes) -> bytes:
    """RFC 2759 §8.2: 8 octets."""
    return sha1(peer_challenge + challenge + without_domain(name)).digest()[:8]  # noqa: S324 - RFC 2759 §8.2


def nt_response(challenge: bytes, nt_hash: bytes) -> bytes:
    """ChallengeResponse (RFC 2759 §8.5): the challenge of 8 octets under three DES keys.

    Single DES is 3DES with one key thrice.  The cipher is made once and given its next
    key, which saves a quarter of the time; it reads its key when an encryptor is made.
    """
    keys = _des_keys(nt_hash)
    algorithm = TripleDES(keys[:8] * 3)
    cipher = Cipher(algorithm, _ECB)
    first = cipher.encryptor().update(challenge)
    algorithm.key = keys[8:16] * 3
    second = cipher.encryptor().update(challenge)
    algorithm.key = keys[16:] * 3
    return first + second + cipher.encryptor().update(challenge)


def authenticator_response(nt_hash_hash: bytes, response: bytes, challenge: bytes) -> bytes:
    """GenerateAuthenticatorResponse (RFC 2759 §8.7); `challenge` is `challenge_hash`'s."""
    digest = sha1(nt_hash_hash + response + _SIGNING).digest()  # noqa: S324 - RFC 2759 §8.7
    text = sha1(digest + challenge + _ITERATION).hexdigest()  # noqa: S324 - RFC 2759 §8.7
    return b"S=" + text.upper().encode()


def _lanes(mask: int) -> int:
    return mask | mask << 64 | mask << 128


# Each pair splits every group of bits into its upper and its lower half: 56, 28, 14.
_UPPER_28, _LOWER_28 = _lanes(0x00FFFFFFF0000000), _lanes(0x000000000FFFFFFF)
_UPPER_14, _LOWER_14 = _lanes(0x0FFFC0000FFFC000), _lanes(0x00003FFF00003FFF)
_UPPER_7, _LOWER_7 = _lanes(0x3F803F803F803F80), _lanes(0x007F007F007F007F)


def _des_keys(nt_hash: bytes) -> bytes:
    """The hash, padded to 21 octets, as three DES keys: 7 bits an octet (RFC 2759 §8.6).

    All three are spread at once, in three lanes of 64 bits.  The lowest bit of an octet
    would be its parity, which DES ignores, so it stays 0.
    """
    padded = b"\0" + nt_hash[:7] + b"\0" + nt_hash[7:14] + b"\0" + nt_hash[14:] + b"\0\0\0\0\0"
    bits = int.from_bytes(padded, "big")
    bits = (bits & _UPPER_28) << 4 | bits & _LOWER_28
    bits = (bits & _UPPER_14) << 2 | bits & _LOWER_14
    bits = (bits & _UPPER_7) << 2 | (bits & _LOWER_7) << 1
    return bits.to_bytes(24, "big")
