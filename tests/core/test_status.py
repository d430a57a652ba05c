"""What processes say of themselves, also when there is no room to say it."""

import os
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from core import status


class Said(msgspec.Struct):
    number: int
    text: str = ""


def heard(directory: Path) -> dict[str, int]:
    return {name: said.number for name, (said, _) in status.read(directory, "*", Said).items()}


def without_room(directory: Path) -> None:
    """Where no new file can be made; what a full disk says, said to root as well."""
    (directory / f"one.{os.getpid()}.new").mkdir()


def test_the_last_word_counts_and_others_are_left_alone(tmp_path: Path) -> None:
    for number in (1, 2):
        status.write(tmp_path, "one", Said(number))
    status.write(tmp_path, "other", Said(7))
    assert heard(tmp_path) == {"one": 2, "other": 7}
    assert len(list(tmp_path.iterdir())) == 2


def test_without_room_for_another_file_it_is_said_in_the_old_one(tmp_path: Path) -> None:
    status.write(tmp_path, "one", Said(1))
    without_room(tmp_path)
    status.write(tmp_path, "one", Said(2, "and a little more"))
    assert heard(tmp_path) == {"one": 2}


@pytest.mark.parametrize("text", ["", "x" * status.BLOCK_OCTETS], ids=["no file", "too long"])
def test_what_cannot_be_said_at_all_is_logged_once_and_tried_again(
    tmp_path: Path, text: str
) -> None:
    reporter = status.Reporter(tmp_path, "one")
    if text:
        reporter.tell(Said(1))
    without_room(tmp_path)
    with capture_logs() as logs:
        reporter.tell(Said(2, text))
        reporter.tell(Said(2, text))
    assert [line["event"] for line in logs] == ["status_not_written"]
    assert heard(tmp_path) == ({"one": 1} if text else {})
    next(tmp_path.glob("*.new")).rmdir()
    reporter.tell(Said(3))
    assert heard(tmp_path) == {"one": 3}


def test_half_a_word_is_none(tmp_path: Path) -> None:
    status.write(tmp_path, "one", Said(1))
    path = tmp_path / "one.json"
    path.write_bytes(path.read_bytes()[:5])
    assert heard(tmp_path) == {}
