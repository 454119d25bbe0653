"""Loaded by each process of a site that tests/walk watches: writes down which functions of the project are called.

`$WALK_FOLDER/window` is a link whose target names what is going on; without the link nothing is recorded.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_folder = os.environ["WALK_FOLDER"]
_link = f"{_folder}/window"
_checkout = f"{Path(__file__).resolve().parent.parent.parent}/"
_files: dict[CodeType, str] = {}
_seen: set[tuple[str, CodeType]] = set()
_out = os.open(f"{_folder}/{os.getpid()}.calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _file_of(code: CodeType) -> str:
    """Return the file of the checkout that the code stands in, "" for others'."""
    name = code.co_filename
    name = name.removeprefix(_checkout) if name.startswith(_checkout) else "" if name.startswith(("/", "<")) else name
    return "" if name.startswith((".", "tests/")) else name


def _called(frame: FrameType, event: str, _: Any) -> None:
    if event != "call":
        return
    code = frame.f_code
    file = _files.get(code)
    if file is None:
        file = _files[code] = _file_of(code)
    if not file:
        return
    try:
        window = os.readlink(_link)
    except OSError:
        return
    if (window, code) not in _seen:
        _seen.add((window, code))
        os.write(_out, f"{window}\t{file}\t{code.co_qualname}\n".encode())


threading.setprofile(_called)
sys.setprofile(_called)
