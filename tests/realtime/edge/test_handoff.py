"""The parts of Twisted, Daphne and Autobahn that the server touches, compared with the installed versions."""

from __future__ import annotations

import subprocess
import sys

import pytest
from twisted.web import http

from realtime.edge.handoff import check_libraries


def test_installed_libraries_have_all_parts() -> None:
    check_libraries()


def test_library_without_a_part_is_named_with_it() -> None:
    with pytest.raises(RuntimeError, match=r"twisted\.web\.http\.HTTPChannel.* has no _nothing:"):
        check_libraries([(http.HTTPChannel, ("_dataBuffer", "_nothing"))])


@pytest.mark.parametrize("module", ["http", "autobahn", "handoff"])
def test_reactor_is_asyncios_whatever_is_imported_first(module: str) -> None:
    """Alone, they had Twisted's default reactor, which never runs."""
    program = f"from realtime.edge.{module} import reactor; print(type(reactor).__name__)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert done.stdout == "AsyncioSelectorReactor\n", done.stderr
