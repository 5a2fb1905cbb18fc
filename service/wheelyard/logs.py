"""The service's log: structured entries with constant event names. Logs of builds are stored elsewhere."""

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Literal, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

LogFormat = Literal["auto", "text", "json"]
_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
_SENTENCES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "attempt-started": ("building for {target}", ("target",)),
    "build-ended": ("build {status}", ("status",)),
    "library": ("{logger}: {message}", ("logger", "message")),
    "request-answered": ("{method} {path} answered {status}", ("method", "path", "status")),
    "request-refused": ("{path} refused: {detail}", ("path", "detail")),
    "stage-entered": ("{stage} ...", ("stage",)),
    "stage-left": ("{stage} done", ("stage",)),
    "wheel-published": ("published {filename}", ("filename",)),
}
"""Sentences for events whose name does not read as one, and the fields that each needs."""
_ASKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ONLY_FOR_PROGRAMS: Final = frozenset({"module", "logger", "request_id", "trace_id", "span_id", "sha256", "recorded"})
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ID_BEGINNING: Final = 8
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_SHOWN_LEVELS: Final[Mapping[str, str]] = {
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[31m",
}
"""Levels that are shown in a line, with their colours."""


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module; entries carry its name."""
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def log_context(**fields: object) -> AbstractContextManager[object]:
    """Add fields to every entry of the block and of the tasks that it starts, from any module."""
    return structlog.contextvars.bound_contextvars(**fields)


def configure_logs(*, log_format: LogFormat, level: str) -> None:
    """Write structured entries to standard error; those of other libraries from level ``warning``."""
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Processor = structlog.processors.JSONRenderer()
    if text:
        renderer = LineRenderer(colours=_shows_colours(sys.stderr), everything=level == "debug")
    structlog.configure(
        processors=[*_SHARED, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _LossyStream(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


def _shows_colours(stream: TextIO) -> bool:
    """Return whether the stream is a terminal that shows colours, and NO_COLOR is unset (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class LineRenderer:
    """Renders an entry as one line for people: the time, the event in words, and details.

    Tracebacks follow, indented. Successful GET requests are omitted, unless everything is shown: each web page would
    log about ten lines.
    """

    def __init__(self, *, colours: bool, everything: bool = False) -> None:
        self._colours = colours
        self._everything = everything

    def __call__(self, _logger: object, _method: str, entry: MutableMapping[str, Any]) -> str:
        """Return one entry as a line; raise DropEvent for an omitted entry."""
        fields = dict(entry)
        event, level = str(fields.pop("event", "")), str(fields.pop("level", "info"))
        if not self._everything and _is_plain_answer(event, fields):
            raise structlog.DropEvent
        moment = datetime.fromisoformat(fields.pop("timestamp")).astimezone()
        trace = fields.pop("exception", None)
        line = f"{_in_words(event, fields)}{_details(fields)}"
        if level in _SHOWN_LEVELS:
            line = f"{level}: {line}"
        time = f"{moment:%H:%M:%S}"
        if self._colours:
            time = f"{_DIM}{time}{_RESET}"
            line = f"{_SHOWN_LEVELS[level]}{line}{_RESET}" if level in _SHOWN_LEVELS else line
        return "\n".join([f"{time} {line}", *(f"    {text}" for text in str(trace or "").splitlines())])


def _is_plain_answer(event: str, fields: Mapping[str, Any]) -> bool:
    status = fields.get("status")
    succeeded = isinstance(status, int) and status < HTTPStatus.BAD_REQUEST
    return event == "request-answered" and fields.get("method") in _ASKING and succeeded


def _in_words(event: str, fields: dict[str, Any]) -> str:
    """Return the event as a sentence with its project; remove the fields that it contains."""
    project, version = fields.pop("project", None), fields.pop("version", None)
    about = " ".join(_plain(part) for part in (project, version) if part is not None)
    prefix = f"{about}: " if about else ""
    sentence, names = _SENTENCES.get(event, ("", ()))
    if sentence and all(fields.get(name) is not None for name in names):
        return prefix + sentence.format_map({name: _plain(fields.pop(name)) for name in names})
    words = event.replace("-", " ")
    return prefix + words if prefix else words.capitalize()


def _details(fields: Mapping[str, Any]) -> str:
    """Return the remaining fields; ids are shortened to the length that the command line accepts."""
    shown = {name: value for name, value in fields.items() if name not in _ONLY_FOR_PROGRAMS and value is not None}
    if shown.get("attempt") == 1:
        del shown["attempt"]
    seconds = shown.pop("seconds", None)
    parts = [f"in {seconds:.1f} s"] if isinstance(seconds, int | float) else []
    parts += [f"{name.replace('_', ' ')} {_shortened(_plain(value))}" for name, value in shown.items()]
    return f" ({', '.join(parts)})" if parts else ""


def _plain(value: object) -> str:
    """Return a value as text on one line, without control characters."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _shortened(text: str) -> str:
    return text[:_ID_BEGINNING] if _ID.fullmatch(text) else text


class _LossyStream:
    """A stream that ignores write errors, so that a full disk does not stop the service."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text if possible."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Forward(logging.Handler):
    """Forwards entries of the standard library's loggers to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        details: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            details["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, "library", **details)
