"""What programs that run without a person say: sentences on stderr, or JSON, one object a line."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from core.errors import LapelError

LOG_VARIABLE = "LAPEL_LOG"
KINDS = ("text", "json")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """A record as a line of JSON: time (UTC), level, logger, message, what ``extra`` gave, and the trace."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info and record.exc_info[1] is not None:
            entry["trace"] = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        return json.dumps(entry, default=str)


def is_json() -> bool:
    """Whether ``LAPEL_LOG`` asks for JSON. Raises LapelError for what is neither json nor text."""
    kind = os.environ.get(LOG_VARIABLE, "").strip() or "text"
    if kind not in KINDS:
        raise LapelError(f"expected {' or '.join(KINDS)} in {LOG_VARIABLE}, got {kind!r}")
    return kind == "json"


def start_logs() -> None:
    """Have all of this process's log, and what ends it, go to stderr as JSON, where that is asked for."""
    if not is_json():
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.getLogger("lapel").setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_end
    threading.excepthook = _log_thread


def adopt_logger(name: str) -> None:
    """Let a library's logger speak as all others do, whose own handlers write lines of text."""
    if is_json():
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True


def announce(sentence: str, name: str = "lapel", **fields: Any) -> None:
    """Say that something begins or ends: a sentence on stderr, or a record with fields."""
    if is_json():
        logging.getLogger(name).info(sentence, extra=fields)
    else:
        print(sentence, file=sys.stderr, flush=True)


def report_failure(sentence: str) -> None:
    """Say why a program ends: a sentence on stderr, whatever its encoding, or a record."""
    try:
        if is_json():
            logging.getLogger("lapel").error(sentence)
            return
    except LapelError:
        pass
    encoding = sys.stderr.encoding or "utf-8"
    text = f"lapel: {sentence}".encode(encoding, "backslashreplace").decode(encoding)
    print(text, file=sys.stderr, flush=True)


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("lapel").critical("The program ends", exc_info=(kind, error, trace))


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        trace = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        logging.getLogger("lapel").error("A thread ended", exc_info=trace)
