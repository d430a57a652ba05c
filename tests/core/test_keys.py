"""The key that opens every password: made once, kept from others, missed loudly."""

from pathlib import Path

import pytest

from core.errors import Invalid
from core.keys import open_vault


def test_the_first_start_makes_a_key_that_later_ones_find(tmp_path: Path) -> None:
    path = tmp_path / "turnpike.key"
    sealed = open_vault(path).seal(b"s3cret", b"c")
    assert open_vault(path).open(sealed, b"c") == b"s3cret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32


def test_two_instances_have_two_keys(tmp_path: Path) -> None:
    open_vault(tmp_path / "one")
    open_vault(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("octets", [b"", bytes(31), bytes(33)])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "turnpike.key"
    path.write_bytes(octets)
    path.chmod(0o600)
    with pytest.raises(Invalid, match="restore the key from its backup"):
        open_vault(path)
    assert path.read_bytes() == octets


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "turnpike.key"
    open_vault(path)
    path.chmod(0o640)
    with pytest.raises(Invalid, match="chmod 600"):
        open_vault(path)
