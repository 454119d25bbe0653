"""What a start may take for granted about the database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host import preparation


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    made = tmp_path / "postgres" / "PG_VERSION"
    made.parent.mkdir()
    made.write_text("18\n")
    return made


def test_a_database_is_prepared_when_the_last_start_left_it_so(tmp_path: Path, cluster: Path) -> None:
    assert not preparation.is_prepared(tmp_path)
    preparation.remember_prepared(tmp_path)
    assert preparation.is_prepared(tmp_path)


def test_a_new_database_is_not_prepared(tmp_path: Path, cluster: Path) -> None:
    preparation.remember_prepared(tmp_path)
    os.utime(cluster, ns=(1, 1))
    assert not preparation.is_prepared(tmp_path)


def test_a_database_is_not_prepared_for_another_migration(
    tmp_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preparation.remember_prepared(tmp_path)
    (tmp_path / "videos" / "migrations").mkdir(parents=True)
    (tmp_path / "videos" / "migrations" / "9999_new.py").touch()
    monkeypatch.setattr(preparation, "CHECKOUT", tmp_path)
    assert not preparation.is_prepared(tmp_path)
