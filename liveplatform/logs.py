"""The one log format: each record is one line, also when its message has several."""

from __future__ import annotations

import logging

LINE_MAX = 2_048
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 0x7F, *range(0x80, 0xA0))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class LineFormatter(logging.Formatter):
    """Format a record as `LEVEL logger: message`; control characters of user text are escaped.

    A traceback is our own bug and keeps its lines.
    """

    def __init__(self) -> None:
        super().__init__("%(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).translate(_ESCAPES)[:LINE_MAX]
