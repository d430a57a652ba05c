"""A node is the same one after its machine was renamed, and after a disk that was full."""

import socket
from pathlib import Path

import pytest

from app.node_name import LENGTH_MAX, node_name
from app.paths import Paths


def test_a_node_keeps_its_name_when_its_machine_gets_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Paths(tmp_path).node_name
    monkeypatch.setattr(socket, "gethostname", lambda: "0f3b9c1d2e4a")
    name = node_name(path)
    assert name.startswith("0f3b9c1d2e4a-")
    monkeypatch.setattr(socket, "gethostname", lambda: "9a8b7c6d5e4f")
    assert node_name(path) == name
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_two_nodes_on_machines_of_one_name_are_two(tmp_path: Path) -> None:
    assert node_name(tmp_path / "a") != node_name(tmp_path / "b")


@pytest.mark.parametrize("held", [b"", b"\n", b"\0" * 20, b"x" * (LENGTH_MAX + 1)])
def test_a_file_that_holds_no_name_gets_one(held: bytes, tmp_path: Path) -> None:
    path = tmp_path / "node.name"
    path.write_bytes(held)
    name = node_name(path)
    assert held.decode().strip() != name
    assert node_name(path) == name


def test_a_disk_that_takes_no_file_gives_a_name_for_now(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "node.name"
    assert node_name(path) == node_name(path) == f"{socket.gethostname()}:{path.parent}"
