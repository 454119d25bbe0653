"""The parts of Twisted, Daphne and Autobahn that the server touches, compared with the installed versions."""

from __future__ import annotations

import pytest
from twisted.web import http

from realtime.edge.handoff import check_libraries


def test_installed_libraries_have_all_parts() -> None:
    check_libraries()


def test_library_without_a_part_is_named_with_it() -> None:
    with pytest.raises(RuntimeError, match=r"twisted\.web\.http\.HTTPChannel has no _nothing"):
        check_libraries([(http.HTTPChannel, ("_dataBuffer", "_nothing"))])
