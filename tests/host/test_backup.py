"""Backup and restore of a site: all of it comes back, and nothing is lost when a step fails."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as site_settings
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from accounts import requests
from accounts.models import Viewer
from host import archive, backup, dumps, former, preparation, restore
from host.archive import BackupReader
from host.errors import Unusable
from polls.models import Goal
from realtime.health import DatabaseCheck
from realtime.log.epoch import draw_epoch, read_epoch
from realtime.models import DrawnEpoch, LoggedEvent
from tests.host.backups import MANIFEST, written
from tests.sites import Site
from tests.videos.acts import Stage
from videos import broadcasts, likes, moderation
from videos.models import Comment, Pin

# The command line


@pytest.mark.parametrize("command", ["backup", "restore"])
@pytest.mark.parametrize("file", ["", " ", "-"])
def test_what_names_no_file_is_refused(command: str, file: str) -> None:
    """`backup -` and `backup " "` wrote a file of that name, `restore ""` said that a folder is no backup."""
    with pytest.raises(CommandError, match="the name of a file is needed"):
        call_command(command, file)


@pytest.mark.parametrize("kind", ["device", "pipe", "link", "dangling link", "folder", "long name", "picture"])
def test_backup_has_a_place_of_its_own(tmp_path: Path, settings: Any, kind: str) -> None:
    """As root, `backup /dev/full --force` made a file of the device; a pipe and a link were replaced as well."""
    settings.MEDIA_ROOT = tmp_path / "media"
    path = tmp_path / "there"
    match kind:
        case "device":
            path = Path("/dev/full")
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(written(tmp_path / "precious"))
        case "dangling link":
            path.symlink_to(path)
        case "folder":
            path.mkdir()
        case "long name":
            path = tmp_path / ("x" * 300)
        case _:
            path = tmp_path / "media" / "site.tar"
    with pytest.raises(Unusable, match=re.escape(str(path))):
        backup.write(path, replace=True)
    assert Path("/dev/full").is_char_device()
    assert {entry.name for entry in tmp_path.iterdir()} <= {"there", "precious"}


# Databases


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Stage:
    return Stage(monkeypatch)


@pytest.fixture
def made(stage: Stage, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Make empty databases, and the site that of the last one. First the site is that of the stage, with a picture."""
    names: list[str] = []

    def use(name: str) -> str:
        connection.close()
        preparation.close_connections()
        connection.settings_dict["NAME"] = name
        settings.DATABASE_URL = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
        return str(settings.DATABASE_URL)

    def make() -> str:
        name = f"restored_{uuid4().hex[:12]}"
        dumps.create(site_settings.DATABASE_URL, name)
        names.append(name)
        settings.MEDIA_ROOT = tmp_path / name
        return use(name)

    own = connection.settings_dict["NAME"]
    monkeypatch.delenv("SECRET_KEY")
    settings.DATA_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "media"
    (tmp_path / "media" / str(stage.video.id)).mkdir(parents=True)
    (tmp_path / "media" / str(stage.video.id) / "poster.jpg").write_bytes(b"poster")
    use(own)
    draw_epoch()  # another test may have emptied the tables
    yield make
    url = use(own)
    for name in names:
        dumps.drop(url, name)


def content(url: str) -> dict[str, list[Any]]:
    """Return all rows of all tables, but what every restore writes: its epoch, that anybody may have changed, and by
    which transaction topics have (`changed`).
    """
    with psycopg.connect(url) as database:
        found = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [name for (name,) in found if name not in ("realtime_drawnepoch", "accounts_recheck")]
        query = sql.SQL("SELECT (to_jsonb(t) - 'changed')::text FROM {} t ORDER BY 1")
        return {name: database.execute(query.format(sql.Identifier(name))).fetchall() for name in sorted(names)}


def databases(url: str) -> set[str]:
    """Return the site's database and what a restore makes beside it; other tests make databases of other names."""
    with psycopg.connect(url) as database:
        own = "SELECT datname FROM pg_database WHERE starts_with(datname, current_database())"
        return {name for (name,) in database.execute(own)}


def do_restore(path: Path, *, replace: bool = False) -> list[str]:
    said: list[str] = []
    restore.restore(path, replace=replace, say=said.append)
    return said


def test_site_is_restored_with_its_pictures_and_its_key(
    stage: Stage, made: Callable[[], str], tmp_path: Path, settings: Any
) -> None:
    """Into an empty database, then in place of what it has become. Positions of before mean nothing any more."""
    source = settings.DATABASE_URL
    path = tmp_path / "site.tar"
    backup.write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    before, epochs, drawn = content(source), [read_epoch()], [DrawnEpoch.objects.get().drawn]
    url = made()
    do_restore(path)
    epochs.append(read_epoch())
    drawn.append(DrawnEpoch.objects.get().drawn)
    broadcasts.update_video(stage.video.id, stage.owner, title="Later")
    picture = settings.MEDIA_ROOT / str(stage.video.id) / "poster.jpg"
    picture.write_bytes(b"later")
    (settings.MEDIA_ROOT / "later.jpg").write_bytes(b"later")
    known = databases(url)
    with pytest.raises(Unusable, match=r"^there is a site already; --replace "):
        do_restore(path)
    assert picture.read_bytes() == b"later"
    do_restore(path, replace=True)
    epochs.append(read_epoch())
    assert content(url) == before
    assert databases(url) == known
    assert (len(set(epochs)), len(set(drawn))) == (3, 2)
    assert [path.relative_to(settings.MEDIA_ROOT) for path in settings.MEDIA_ROOT.rglob("*.*")] == [
        picture.relative_to(settings.MEDIA_ROOT)
    ]
    assert picture.read_bytes() == b"poster"
    assert (tmp_path / "secret_key").read_text() == settings.SECRET_KEY


def test_restore_that_fails_late_changes_nothing(
    stage: Stage, made: Callable[[], str], tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is filled, the pictures and the key have changed places already: all of it goes back."""
    path = tmp_path / "site.tar"
    backup.write(path)
    url = made()
    do_restore(path)
    broadcasts.update_video(stage.video.id, stage.owner, title="Later")
    picture = settings.MEDIA_ROOT / "later.jpg"
    picture.write_bytes(b"later")
    settings.SECRET_KEY = "another one, that the site has got meanwhile"

    def fail(*_: object, **__: object) -> None:
        assert not picture.exists()
        raise Unusable("somebody uses it")

    before, known = content(url), databases(url)
    monkeypatch.setattr(dumps, "swap", fail)
    with pytest.raises(Unusable, match="somebody uses it"):
        do_restore(path, replace=True)
    assert content(url) == before
    assert databases(url) == known
    assert picture.read_bytes() == b"later"
    assert not list(settings.MEDIA_ROOT.glob(".*"))
    assert (tmp_path / "secret_key").read_text() == settings.SECRET_KEY


def test_backup_of_an_older_release_is_brought_up_to_date(made: Callable[[], str], tmp_path: Path) -> None:
    backup.write(tmp_path / "now.tar")
    made()
    do_restore(tmp_path / "now.tar")
    call_command("migrate", "realtime", "zero", verbosity=0)
    backup.write(tmp_path / "older.tar")
    url = made()
    do_restore(tmp_path / "older.tar")
    with psycopg.connect(url) as database:
        assert database.execute("SELECT to_regclass('realtime_drawnepoch')").fetchone() != (None,)


FORMER_KEY = "45uInsxkr7c3rqGK-Sn7c4RpRz35qCEuWBB-tnCa0xuJR2SWcKba74DhuOmNz4S4"
FORMER_SESSION = "26igldqzmaszgkp6l0sgof21xxtr2mtg"


@pytest.fixture
def former_site(made: Callable[[], str], settings: Any) -> str:
    """The site is one of the release in which viewers were a table of videos."""
    url = made()
    with psycopg.connect(url) as database:
        database.execute(Path(__file__).with_name("former.sql").read_bytes())
    settings.SECRET_KEY = FORMER_KEY
    return url


def shape(url: str) -> list[Any]:
    """Return the constraints and the indexes of all tables."""
    with psycopg.connect(url) as database:
        return database.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace"
            " UNION SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
        ).fetchall()


def as_dicts(rows: list[Any]) -> list[dict[str, Any]]:
    return sorted((json.loads(row) for (row,) in rows), key=str)


def with_columns_of(before: list[Any], now: list[Any]) -> list[dict[str, Any]]:
    """Return the rows without the columns that there were not before."""
    columns = {name for row in as_dicts(before) for name in row}
    return sorted(({name: row[name] for name in row if name in columns} for row in as_dicts(now)), key=str)


def test_backup_of_the_former_release_is_restored_with_all_its_content(
    former_site: str, made: Callable[[], str], tmp_path: Path
) -> None:
    """Its viewers are accounts now, with their rights, their passwords and their sessions."""
    before = content(former_site)
    backup.write(tmp_path / "former.tar")
    url = made()
    do_restore(tmp_path / "former.tar")
    now = content(url)
    for rows in (before, now):
        del rows["django_migrations"]
    types = [row.replace('"model": "viewer", "app_label": "videos"', '"model": "viewer", "app_label": "accounts"')
             for (row,) in before["django_content_type"]]  # fmt: skip
    before["django_content_type"] = [(row,) for row in sorted(types)]
    before = {former.RENAMED.get(name, name): rows for name, rows in before.items()}
    pinned = [row["id"] for row in as_dicts(before["videos_comment"]) if row["pinned_at"]]
    assert [str(pin.comment_id) for pin in Pin.objects.all()] == pinned != []
    del now["videos_pin"]
    assert {name: rows for name, rows in now.items() if name not in before and rows} == {}, "tables are new, and empty"
    for name, kept in before.items():
        came = with_columns_of(kept, now[name])
        if name in ("auth_permission", "django_content_type"):  # those of what is new come to them
            assert [row for row in as_dicts(kept) if row not in came] == []
        else:
            assert as_dicts(kept) == came
    nadia, mona = Viewer.objects.get(username="nadia"), Viewer.objects.get(username="mona")
    assert nadia.check_password("correct horse 7")
    assert nadia.has_perm("realtime.view_figures")
    assert mona.has_perm("accounts.delete_viewer")
    session = requests.viewer_of_session(FORMER_SESSION)
    assert session is not None
    assert session.name == "Ada"
    assert Group.objects.create(name="after").id > 1
    fresh = made()
    call_command("migrate", verbosity=0)
    assert shape(url) == shape(fresh) != []


PARTLY_MIGRATED = """
DELETE FROM django_migrations WHERE name LIKE '0001_squashed%'
  OR (app = 'videos' AND name > '0003') OR (app = 'realtime' AND name > '0005') OR (app = 'accounts' AND name > '0006')
  OR (app = 'polls' AND name > '0004');
DROP TABLE videos_pin, videos_captiontrack;
ALTER TABLE videos_video DROP COLUMN captions, DROP COLUMN source, DROP COLUMN has_board;
ALTER TABLE realtime_loggedevent DROP COLUMN thing;
ALTER TABLE accounts_viewer DROP COLUMN name_key, DROP COLUMN came_to;
ALTER TABLE polls_goal DROP COLUMN id, DROP COLUMN set_at, DROP COLUMN reached_at, DROP CONSTRAINT goal_once,
  ADD CONSTRAINT polls_goal_pkey PRIMARY KEY (video_id, kind);
"""


@pytest.fixture
def partly_migrated_site(stage: Stage, made: Callable[[], str], tmp_path: Path) -> str:
    """The site is one with some of the migrations of before. It has a pinned comment and a goal."""
    comment = async_to_sync(likes.comment)(stage.video.id, stage.viewers[0], "hello")
    moderation.pin_comment(stage.video.id, UUID(comment["id"]), stage.owner)
    Goal.objects.create(video=stage.video, kind="likes", target=100)
    backup.write(tmp_path / "site.tar")
    url = made()
    do_restore(tmp_path / "site.tar")
    with psycopg.connect(url) as database:
        database.execute(PARTLY_MIGRATED.encode())
    return url


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["former_site", "partly_migrated_site"])
def test_former_database_is_left_alone_and_named_with_what_to_do(request: pytest.FixtureRequest, kind: str) -> None:
    url = request.getfixturevalue(kind)
    before = content(url)
    for start in (lambda: call_command("migrate"), lambda: preparation.migrate(print)):
        with pytest.raises(ImproperlyConfigured, match=r"manage\.py restore --replace FILE") as refused:
            start()
        assert len(str(refused.value).splitlines()) == 1
    assert async_to_sync(DatabaseCheck().state)() == "migrations are missing"
    assert content(url) == before
    document, _, anchor = former.ADVICE.rpartition("(")[2].rstrip(")").partition("#")
    assert f"\n### {anchor.replace('-', ' ')}\n" in Path(document).read_text().lower()


def test_partly_migrated_database_is_brought_over_with_its_pins_and_things(
    partly_migrated_site: str, tmp_path: Path
) -> None:
    before = content(partly_migrated_site)
    backup.write(tmp_path / "partly.tar")
    do_restore(tmp_path / "partly.tar", replace=True)
    preparation.migrate(print)
    now = content(partly_migrated_site)
    for name in before.keys() - {"django_migrations", "auth_permission", "django_content_type"}:
        assert as_dicts(before[name]) == with_columns_of(before[name], now[name])
    comment, pin = Comment.objects.get(), Pin.objects.get()
    assert (pin.comment_id, pin.pinned_at, pin.unpinned_at) == (comment.id, comment.pinned_at, None)
    assert LoggedEvent.objects.get(name="comment").thing == str(comment.id)
    assert Goal.objects.get().id == 1


def test_database_with_all_the_migrations_of_before_needs_nothing(made: Callable[[], str], tmp_path: Path) -> None:
    backup.write(tmp_path / "site.tar")
    url = made()
    do_restore(tmp_path / "site.tar")
    with psycopg.connect(url) as database:
        database.execute("DELETE FROM django_migrations WHERE name LIKE '0001_squashed%'")
    assert async_to_sync(DatabaseCheck().state)() == "ok"
    said: list[str] = []
    preparation.migrate(said.append)
    assert said == ["the database is up to date"]


def test_former_database_becomes_the_restored_one_in_its_place(former_site: str, tmp_path: Path) -> None:
    """As the line that names it says: by this release alone."""
    backup.write(tmp_path / "former.tar")
    do_restore(tmp_path / "former.tar", replace=True)
    preparation.migrate(print)
    assert Viewer.objects.filter(username="nadia").exists()


def test_sessions_that_are_leaving_are_waited_for(
    former_site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a site that had just been stopped were there for a moment, and the restore was refused."""
    backup.write(tmp_path / "former.tar")
    looks = iter([["liveplatform"], ["liveplatform"]])
    users = dumps.users
    monkeypatch.setattr(dumps, "users", lambda url: next(looks, None) or users(url))
    do_restore(tmp_path / "former.tar", replace=True)
    assert next(looks, None) is None


def test_backup_of_a_newer_release_is_refused(made: Callable[[], str], tmp_path: Path) -> None:
    url = made()
    newer = dataclasses.replace(MANIFEST, version="7.0", migrations={"videos": ["0001_initial", "0999_x"]})
    with pytest.raises(
        Unusable, match=r"made by a newer release, 7\.0: .* does not know the tables of videos\.0999_x$"
    ):
        do_restore(written(tmp_path / "site.tar", newer))
    assert dumps.is_empty(url)


def test_backup_of_a_newer_postgresql_is_refused(made: Callable[[], str], tmp_path: Path) -> None:
    """`pg_restore` said `unrecognized configuration parameter "transaction_timeout"`."""
    made()
    with pytest.raises(Unusable, match=r"is of PostgreSQL 99, and this is \d+: restore into a newer one$"):
        do_restore(written(tmp_path / "site.tar", dataclasses.replace(MANIFEST, postgres=99)))


def test_programs_are_such_that_what_they_write_can_be_restored_by_the_same_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of 17 and later write for servers from 17 on. The nearest ones are taken, the system's before our own."""
    for major in (15, 17, 18):
        (tmp_path / f"{major}/bin").mkdir(parents=True)
        for name in ("pg_dump", "pg_restore"):
            (tmp_path / f"{major}/bin" / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {major}.4'\n")
            (tmp_path / f"{major}/bin" / name).chmod(0o755)
    monkeypatch.setattr(dumps, "SYSTEM", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    for at_least, found in ((14, 15), (15, 15), (17, 17), (18, 18)):
        assert dumps.programs(at_least=at_least) == (found, tmp_path / f"{found}/bin")
    for at_least in (16, 99):
        with pytest.raises(Unusable, match=f"of PostgreSQL {at_least} are needed"):
            dumps.programs(at_least=at_least)


def test_restore_is_refused_while_somebody_uses_the_database(made: Callable[[], str], tmp_path: Path) -> None:
    backup.write(tmp_path / "site.tar")
    with (
        psycopg.connect(made(), application_name="liveplatform"),
        pytest.raises(Unusable, match=r"^the database is in use \(liveplatform\): stop the site first"),
    ):
        do_restore(tmp_path / "site.tar")


def test_remains_of_a_restore_that_was_killed_are_not_deleted(
    made: Callable[[], str], tmp_path: Path, settings: Any
) -> None:
    backup.write(tmp_path / "site.tar")
    made()
    (settings.MEDIA_ROOT / ".before-restore").mkdir(parents=True)
    with pytest.raises(Unusable, match=r"has left .*/\.before-restore: move or delete it first$"):
        do_restore(tmp_path / "site.tar")


def test_backup_is_not_written_over_another_and_leaves_nothing_when_it_fails(
    made: Callable[[], str], tmp_path: Path, settings: Any
) -> None:
    path = tmp_path / "backups" / "site.tar"
    with pytest.raises(Unusable, match=r"cannot be written: No such file or directory$"):
        backup.write(path)
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(Unusable, match="--force"):
        backup.write(path)
    made()
    with pytest.raises(Unusable, match="nothing to back up"):
        backup.write(path, replace=True)
    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [("site.tar", "precious")]


# Commands


def test_running_site_is_backed_up_and_not_restored(
    site: Site, tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`pg_dump` of the distribution refused, and no command was documented."""
    path = tmp_path / "site.tar"
    assert str(path) in site.manage("backup", str(path)).stdout
    with BackupReader(path) as read:
        assert read.open(archive.SECRET_KEY).read().decode() == site.env["SECRET_KEY"]
    settings.DATABASE_URL = site.database_url
    with pytest.raises(SystemExit, match=r"^2$"):
        call_command("restore", path, "--replace")
    said = capsys.readouterr().err
    assert said.startswith("liveplatform: the database is in use (liveplatform")
    assert len(said.splitlines()) == 1
