"""Logging set up once per process: one event, its facts, one line, to standard error.

For people as logfmt (``event=access_reject nas=bras-2 reason=quota``), for machines as
JSON.  What the standard library's loggers say (aiohttp, asyncio, alembic) takes the same
road.  Names from the network may hold anything, so what a terminal would obey is escaped
here, in the last place it passes.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor, WrappedLogger

Facts = MutableMapping[str, object]
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["console", "json"] = "console",  # noqa: A002 - the setting's name
    stream: TextIO | None = None,
) -> None:
    """Send every logger of this process to `stream` (standard error) from now on."""
    stream = stream or sys.stderr
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    render: list[Processor] = (
        [structlog.processors.JSONRenderer(default=str)]
        if format == "json"
        else [
            _printable,
            structlog.processors.LogfmtRenderer(
                key_order=["at", "level", "event"], bool_as_flag=False
            ),
        ]
    )
    structlog.configure(
        processors=[*before, *render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell their progress at "info"; ours is the voice a person listens to.
    root.setLevel(max(_LEVELS[level], logging.WARNING) if level != "debug" else logging.DEBUG)


def _printable(_: WrappedLogger, __: str, facts: Facts) -> Mapping[str, object]:
    return {key: _escaped(value) for key, value in facts.items()}


def _escaped(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
