"""Names that somebody has: accounts keep theirs from everybody, and of two who take one name at once one has it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.utils.translation import override

from accounts import profiles, taken
from accounts.guests import create_guest, end_guest
from accounts.lookalikes import name_key
from accounts.models import Viewer
from tests.accounts.test_merging import browser_of
from tests.console import PASSWORD
from web.refusals import Conflict, Invalid


@pytest.fixture
def nadia(db: None) -> Viewer:
    return Viewer.objects.create_user("nadia-of-lisbon", name="Nadia")


@pytest.mark.parametrize(
    "name",
    [
        "Nadia", "NADIA", "nad1a", "Nadla", "N a d i a", "Nadia.", "Nadia...", ".Nadia", "Nadia 🎉", "N.a-d_i'a",
        "Νаdіа", "ɴadia", "Ｎａｄｉａ", "Nadi\u0430", "N\u0335adia", "Nadia\u0332", "Na\u200bdia", "\u202eNadia",
        "𝐍𝐚𝐝𝐢𝐚", "Nadia\u2066", "Nadia\u00a0", "Nadia\u3164", "N\u0430di\u0430",
    ],
)  # fmt: skip
def test_guest_gets_no_name_that_looks_like_an_accounts(nadia: Viewer, name: str) -> None:
    with pytest.raises((Invalid, Conflict)):
        create_guest(name)
    assert Viewer.objects.filter(is_guest=True).count() == 0


@pytest.mark.parametrize("name", ["Nadine", "Nádia", "Nadia B", "Nadia 2"])
def test_other_names_are_free(nadia: Viewer, name: str) -> None:
    assert create_guest(name).name == name


def test_refusal_has_a_name_that_is_free(nadia: Viewer) -> None:
    for number in (2, 3):
        create_guest(f"Nadia {number}")
    with pytest.raises(Conflict) as refused:
        create_guest("Nadia.")
    assert refused.value.code == "name_taken"
    assert refused.value.detail == "Somebody has this name, or one that looks like it. This one is free: Nadia. 4"
    with override("de"):
        assert refused.value.translated() == "Diesen oder einen ähnlichen Namen hat schon jemand. Frei ist: Nadia. 4"
    long = "N" * 40
    Viewer.objects.create_user("long", name=long)
    with pytest.raises(Conflict, match=r"free: N{35} 2"):
        create_guest(long)


def test_key_follows_the_name_however_it_is_written(nadia: Viewer, django_assert_num_queries: Any) -> None:
    assert nadia.name_key == name_key("Nadia")
    nadia.name = "Vera"
    nadia.save(update_fields=["name"])
    nadia.refresh_from_db()
    assert nadia.name_key == name_key("Vera")
    assert Viewer.objects.create_user("plain").name_key == name_key("plain")
    Viewer.objects.update(name_key="")  # as a node with older code leaves it
    assert taken.fill() == 2
    assert set(Viewer.objects.values_list("name_key", flat=True)) == {name_key("Vera"), name_key("plain")}
    with django_assert_num_queries(3):  # the lock, one look by index, the row
        create_guest("Somebody")


def test_look_at_who_has_a_name_is_by_index(nadia: Viewer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = Viewer.objects.filter(name_key="x").order_by("is_guest", "-id")[:50].explain()
    assert "viewer_name_key" in plan
    assert "Sort" not in plan


def test_account_keeps_its_name_from_other_accounts(nadia: Viewer) -> None:
    vera = Viewer.objects.create_user("vera")
    with pytest.raises(Conflict):
        profiles.rename(vera, "ɴadia")
    profiles.rename(nadia, "NADIA")  # one's own, in another spelling
    staff = Viewer.objects.create_user("clerk", is_staff=True)
    profiles.rename(staff, "Support")
    with pytest.raises(Conflict):
        profiles.rename(Viewer.objects.create_user("clerk2", is_staff=True), "Support")
    page = browser_of(vera)
    assert "This one is free: Nadia 2" in page.post("/accounts/", {"name": "Nadia"}).content.decode()
    page.post("/accounts/", {"name": "Vera Lynn"})
    vera.refresh_from_db()
    assert vera.name == "Vera Lynn"


def test_sign_up_does_not_take_a_name_and_a_guest_keeps_theirs_with_a_number(nadia: Viewer, no_guesses: None) -> None:
    form = {"username": "NADlA", "email": "", "password1": PASSWORD}
    assert "Somebody has this name" in Client().post("/accounts/signup/", form).content.decode()
    guest = create_guest("Bo")
    profiles.rename(nadia, "B0")  # accounts may take what a guest has
    browser_of(guest).post("/accounts/signup/", {**form, "username": "bo-bo"})
    guest.refresh_from_db()
    assert (guest.is_guest, guest.username) == (False, "bo-bo")
    assert guest.name == taken.numbered("Bo", guest.id) != "Bo"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_coming_in", [False, True])
def test_of_two_who_take_a_name_at_once_one_has_it(*, is_coming_in: bool) -> None:
    """Two accounts, or two guests who come in where others are."""
    accounts = [Viewer.objects.create_user(f"account-{number}") for number in range(2)]
    video, ready = uuid4(), threading.Barrier(2)

    def take(number: int) -> str:
        try:
            with transaction.atomic():
                ready.wait()
                if is_coming_in:
                    create_guest(["Nadia", "NADlA"][number], came_to=video)
                else:
                    profiles.rename(accounts[number], ["Nadia", "NADlA"][number])
                return "has it"
        except Conflict as refusal:
            return refusal.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take, range(2))) == ["has it", "name_taken"]
    [nadia] = Viewer.objects.filter(name_key=name_key("Nadia"))
    if is_coming_in:
        assert create_guest("Nadia", came_to=uuid4()), "another video has other people"
        end_guest(nadia)
        assert create_guest("Nadia", came_to=video), "who has left by the door has no name"
