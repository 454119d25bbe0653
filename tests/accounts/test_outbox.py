"""Mail is kept until a mail server has it. A real server takes it, or is away."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as Mailbox
from django.core.mail import send_mail
from django.db import connection
from django.test import TestCase

from accounts import outbox
from accounts.models import Mail
from tests.sites import free_port

pytestmark = pytest.mark.django_db


class Inbox(Mailbox):
    def __init__(self) -> None:
        super().__init__()
        self.received: list[Message] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Message) -> None:
        self.received.append(message)


@pytest.fixture(autouse=True)
def port(settings: Any) -> int:
    settings.EMAIL_BACKEND = "accounts.outbox.MailQueue"
    settings.LIVE_MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    return int(settings.EMAIL_PORT)


@pytest.fixture
def inbox(port: int) -> Iterator[Inbox]:
    made = Inbox()
    server = Controller(made, hostname="127.0.0.1", port=port)
    server.start()
    yield made
    server.stop()


def write(*to: str) -> None:
    for address in to:
        send_mail("Hello\u2026", "A line.\nÄnother.", None, [address])


def make_due() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_mail SET next_try_at = now()")


def test_mail_goes_out_once(inbox: Inbox) -> None:
    write("ada@example.org", "bea@example.org")
    assert outbox.send_waiting() == 2
    assert [mail["To"] for mail in inbox.received] == ["ada@example.org", "bea@example.org"]
    assert not Mail.objects.exists()
    assert outbox.send_waiting() == 0


def test_mail_waits_while_the_server_is_away(port: int, request: pytest.FixtureRequest) -> None:
    """Nothing is lost, and the server is not asked again for each mail."""
    write("ada@example.org", "bea@example.org")
    assert outbox.send_waiting() == 0
    assert sorted(Mail.objects.values_list("tries", flat=True)) == [0, 1]
    assert "refused" in Mail.objects.get(tries=1).error
    inbox: Inbox = request.getfixturevalue("inbox")
    make_due()
    assert outbox.send_waiting() == 2
    assert len(inbox.received) == 2


def test_address_that_is_refused_holds_up_nobody(inbox: Inbox) -> None:
    write("nobody@example.org", "ada@example.org")
    assert outbox.send_waiting() == 2
    assert [mail["To"] for mail in inbox.received] == ["ada@example.org"]
    assert not Mail.objects.exists()


def test_old_mail_is_given_up_and_late_mail_is_said() -> None:
    write("ada@example.org")
    assert not outbox.is_late()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_mail SET made_at = now() - interval '3 minutes'")
    assert outbox.is_late()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_mail SET made_at = now() - interval '3 days'")
    outbox.send_waiting()
    assert not Mail.objects.exists()


def test_mail_is_of_the_act_that_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is asked for after the commit. Without a broker it comes by itself."""
    from accounts.tasks import send_mail as job

    asked: list[Any] = []
    monkeypatch.setattr(job, "apply_async", lambda **options: asked.append(options))
    with TestCase.captureOnCommitCallbacks(execute=True):
        write("ada@example.org")
        assert not asked
    assert len(asked) == 1
