"""Whichever module MD5 comes from, it is MD5 (RFC 1321 §A.5)."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
if sys.argv[1] == "without":
    sys.modules["_md5"] = None
from core.radius.digest import md5
state = md5(b"message ")
copy = state.copy()
copy.update(b"digest")
assert copy.digest().hex() == "f96b697d7cb7938d525a2f31aaf161d0"
assert state.digest() == md5(b"message ").digest()
assert ("hashlib" in sys.modules) == (sys.argv[1] == "without")
"""


@pytest.mark.parametrize("python", ["with", "without"])
def test_md5_is_the_same_with_and_without_the_c_module(python: str) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, python], check=True)
