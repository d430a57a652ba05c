import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from core.log import configure
from core.secret import Secret


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_line_of_facts() -> None:
    stream = io.StringIO()
    configure("info", "console", stream)
    structlog.get_logger().info("access_reject", nas="bras-2", user="a b", ms=3.1, ok=False)
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert 'level=info event=access_reject nas=bras-2 user="a b" ms=3.1 ok=false' in line
    assert line.startswith("at=2")


def test_a_hostile_name_stays_on_its_line_and_out_of_the_terminal() -> None:
    stream = io.StringIO()
    configure("info", "console", stream)
    structlog.get_logger().info("access_reject", user="x\nlevel=error\x1b[2J")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert r"nlevel=error\\x1b[2J" in stream.getvalue()


def test_machines_get_json_and_nobody_gets_a_secret() -> None:
    stream = io.StringIO()
    configure("debug", "json", stream)
    structlog.get_logger().debug("nas_loaded", nas="bras-1", secret=Secret(b"hunter2"))
    facts = json.loads(stream.getvalue())
    assert (facts["event"], facts["nas"], facts["level"]) == ("nas_loaded", "bras-1", "debug")
    assert "hunter2" not in stream.getvalue()


def test_what_is_below_the_level_is_not_said() -> None:
    stream = io.StringIO()
    configure("warning", "console", stream)
    structlog.get_logger().info("progress")
    logging.getLogger("library").info("chatter")
    assert stream.getvalue() == ""


def test_libraries_take_the_same_road() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    logging.getLogger("aiohttp").warning("slow %s", "client")
    facts = json.loads(stream.getvalue())
    assert (facts["event"], facts["logger"]) == ("slow client", "aiohttp")
