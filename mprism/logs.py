"""Structured log lines on standard error: for people, or as JSON."""

import logging
import sys

import structlog

from mprism.settings import LoggingSettings


def configure_logging(settings: LoggingSettings) -> None:
    """Log from `settings.level` on, in `settings.format`."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    else:
        processors.append(structlog.processors.format_exc_info)
    level = logging.getLevelNamesMapping()[settings.level]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log by the standard module; only what is wrong is worth a line of ours.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
