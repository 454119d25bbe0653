"""The epoch of the database: another one for each history, the same for everybody who reads the same one."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from realtime.events import Position, event_id, parse_event_id
from realtime.log.epoch import KEPT_SECONDS, KeptEpoch, draw_epoch, read_epoch
from realtime.models import DrawnEpoch
from tests.realtime.fakes import VIDEO


@pytest.fixture(autouse=True)
def drawn(db: None) -> None:
    """As in every database, until a test of this process empties the tables."""
    draw_epoch()


@pytest.mark.django_db
def test_epoch_stays_and_fits_into_a_position() -> None:
    epoch = read_epoch()
    assert read_epoch() == epoch
    assert parse_event_id(event_id(VIDEO, Position(epoch, 7))) == (VIDEO, Position(epoch, 7))


@pytest.mark.django_db
def test_epoch_that_is_drawn_is_another_one_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    epochs = [read_epoch(), draw_epoch(), draw_epoch()]
    call_command("drawepoch")
    epochs.append(read_epoch())
    assert len(set(epochs)) == 4
    assert epochs[-1] in capsys.readouterr().out


@pytest.mark.django_db
def test_epoch_is_drawn_when_the_database_is_made_and_is_no_loss_when_it_is_not_there() -> None:
    made = read_epoch()
    DrawnEpoch.objects.all().delete()
    assert read_epoch() != made


@pytest.mark.django_db
def test_topics_that_were_filled_anew_are_of_another_epoch() -> None:
    """What another program than ours restores: the tables are made, or emptied, and filled."""
    before = read_epoch()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE realtime_topic CASCADE")
    assert read_epoch() != before


@pytest.mark.django_db
def test_host_that_says_nothing_of_its_cluster_has_an_epoch_all_the_same() -> None:
    with connection.cursor() as cursor:
        cursor.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        cursor.execute("CREATE ROLE a_tenant")
        cursor.execute("GRANT SELECT, UPDATE ON realtime_drawnepoch TO a_tenant")
        cursor.execute("SET LOCAL ROLE a_tenant")
        epoch = read_epoch()
        assert read_epoch() == epoch
        assert draw_epoch() != epoch
        cursor.execute("RESET ROLE")
        assert read_epoch() != epoch


@pytest.mark.django_db
def test_epoch_is_read_once_in_a_while() -> None:
    now = [0.0]
    kept = KeptEpoch(lambda: now[0])
    before = kept()
    drawn = draw_epoch()
    assert kept() == before
    now[0] += KEPT_SECONDS
    assert kept() == drawn
