"""What a login worker may be made of."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = """
import sys
import app.login_worker
print(*sorted({"sqlalchemy", "asyncpg", "alembic", "pgqueuer", "aiohttp"} & sys.modules.keys()))
"""


def test_it_loads_nothing_that_talks_to_the_database() -> None:
    """A killed worker must be back in a moment, and there is one for each core."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == []
