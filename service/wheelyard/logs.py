"""The service's own log: structured entries with constant event names. Builds' logs do not go here."""

import contextlib
import logging
import sys
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

LogFormat = Literal["auto", "text", "json"]
_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module; entries carry its name."""
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def log_context(**fields: object) -> AbstractContextManager[object]:
    """Put fields into every entry of the block, and of the tasks that it starts, whichever module writes it."""
    return structlog.contextvars.bound_contextvars(**fields)


def configure_logs(*, log_format: LogFormat, level: str) -> None:
    """Send structured entries to standard error, those of other libraries from ``warning`` on."""
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Processor = _text_renderer() if text else structlog.processors.JSONRenderer()
    formatting: list[Processor] = [] if text else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*_SHARED, *formatting, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _LossyStream(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


def _text_renderer() -> Processor:
    """Render for people; tracebacks are plain, because rich ones print local variables, secrets among them."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


class _LossyStream:
    """Loses what cannot be written: a log whose disk is full must not end what it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if that is possible."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what was written, if that is possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Forward(logging.Handler):
    """Hands the entries of the standard library's loggers over to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        details: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            details["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, "library", **details)
