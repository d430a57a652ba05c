"""A missing peer is missed: it fails where everything must be tried, and is told elsewhere."""

from pathlib import Path

import pytest

from tests.peers.programs import needs

FAILED, SKIPPED = pytest.fail.Exception, pytest.skip.Exception


@pytest.mark.parametrize(("ci", "how"), [("true", FAILED), ("", SKIPPED)])
def test_a_peer_that_is_not_there_is_missed_loudly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, how: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(how, match="apt-get install eapoltest"):
        needs("eapol_test")


def test_a_peer_that_is_there_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "eapol_test"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert needs("eapol_test") == str(program)
