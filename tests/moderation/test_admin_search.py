"""Whom moderators look for in the admin, among millions of people."""

from __future__ import annotations

import pytest

from accounts.models import Viewer
from moderation.models import Restriction
from tests.console import Console, rolled_back_stage
from tests.plans import scans
from tests.videos.acts import Stage

pytestmark = pytest.mark.usefixtures("no_guesses")
stage = rolled_back_stage


def test_person_is_found_by_the_whole_name_without_reading_all_others(stage: Stage, root: Console) -> None:
    zora = Viewer.objects.create_user("zora", name="Zora Neale")
    other = Viewer.objects.create_user("other", name="Somebody")
    for viewer in (zora, other):
        Restriction.objects.create(channel=stage.owner, viewer=viewer, kind="ban")
    page = "moderation_restriction_changelist"
    with scans() as found:
        listed = root.get(page, q="zora neale").context["cl"].result_list
    assert [row.viewer_id for row in listed] == [zora.id]
    assert not any(scan.reads_all for scan in found if scan.table == "accounts_viewer")
    assert root.get(page, q="nobody like that").context["cl"].result_count == 0
    assert root.get(page, q=str(other.id)).context["cl"].result_count == 1
