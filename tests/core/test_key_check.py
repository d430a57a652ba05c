"""A database is opened with the key that its secrets were sealed with, and with no other."""

from pathlib import Path

import pytest

from core.db import Database
from core.errors import Invalid
from core.key_check import vault_of


async def test_the_first_makes_the_key_and_the_next_finds_it(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "var" / "turnpike.key"
    async with database.lobby() as tx:
        sealed = (await vault_of(tx, path)).seal(b"s3cret", b"c")
    async with database.lobby() as tx:
        assert (await vault_of(tx, path)).open(sealed, b"c") == b"s3cret"


async def test_no_key_is_made_for_a_database_that_has_one(
    database: Database, tmp_path: Path
) -> None:
    async with database.lobby() as tx:
        await vault_of(tx, tmp_path / "one")
    async with database.lobby() as tx:
        with pytest.raises(Invalid, match=r"key_file .*two: there is no key file: set key_file"):
            await vault_of(tx, tmp_path / "two")
    assert not (tmp_path / "two").exists()


async def test_another_key_is_refused(database: Database, tmp_path: Path) -> None:
    async with database.lobby() as tx:
        await vault_of(tx, tmp_path / "one")
    (tmp_path / "two").write_bytes(bytes(32))
    (tmp_path / "two").chmod(0o600)
    async with database.lobby() as tx:
        with pytest.raises(Invalid, match="another key than the database") as refusal:
            await vault_of(tx, tmp_path / "two")
    assert refusal.value.field == "key_file"


async def test_a_key_that_others_may_read_is_refused_here_too(
    database: Database, tmp_path: Path
) -> None:
    async with database.lobby() as tx:
        await vault_of(tx, tmp_path / "one")
    (tmp_path / "one").chmod(0o644)
    async with database.lobby() as tx:
        with pytest.raises(Invalid, match="chmod 600"):
            await vault_of(tx, tmp_path / "one")
