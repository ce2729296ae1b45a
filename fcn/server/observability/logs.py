"""Logs as JSON, one object per line, on stderr."""

import json
import logging
import math
import re
import secrets
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime

REQUEST_ID: ContextVar[str] = ContextVar("REQUEST_ID", default="")
"""Id of the current request in logs; empty outside of a request."""

_LOG = logging.getLogger("fcn.server")
_VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Fields of every record. Others come from the caller; those that begin with _ are internal to libraries.
_STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"}


def choose_request_id(wanted: str) -> str:
    r"""Returns the request id of a client, or a new one if that is not valid in logs and headers.

    Example:
        >>> choose_request_id("photo-17"), len(choose_request_id("two\nlines"))
        ('photo-17', 16)
    """
    return wanted if _VALID_ID.fullmatch(wanted) else secrets.token_hex(8)


class JsonFormatter(logging.Formatter):
    """Formatter that writes a record as a JSON object: time, level, logger, message, and extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, in printable ASCII.

        Example:
            >>> record = logging.makeLogRecord({"msg": "loaded", "levelname": "INFO", "version": 2})
            >>> json.loads(JsonFormatter().format(record))["version"]
            2
        """
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        fields = {name: value for name, value in vars(record).items() if not name.startswith("_")}
        line |= {name: value for name, value in fields.items() if name not in _STANDARD_FIELDS}
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = self.formatException(record.exc_info)
        # Of the control characters json leaves DEL alone.
        return json.dumps(line, default=str).replace("\x7f", "\\u007f")


class StateWarning:
    """Warning about a state that may last, logged once; again only after the state was absent for a while.

    Args:
        message: Text of the log line.
        absent_seconds: How long it must have been absent to be logged again.

    Example:
        >>> full = StateWarning("full")
        >>> full.log(connections=2), full.log(connections=2)
        (True, False)
    """

    def __init__(self, message: str, absent_seconds: float = 60.0) -> None:
        self._message, self._absent_seconds = message, absent_seconds
        self._last_seen = -math.inf

    def log(self, **fields: object) -> bool:
        """Notes the state; returns whether that was logged."""
        now, before = time.monotonic(), self._last_seen
        self._last_seen = now
        if now - before < self._absent_seconds:
            return False
        _LOG.warning(self._message, extra=fields)
        return True


def start_logs() -> None:
    """Sends the logs of this process, including warnings, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("fcn.server", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
