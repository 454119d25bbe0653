"""Mail of the site: kept in the database, and sent from there by a job.

Hop: Django's `send_mail` calls `MailQueue`, the job calls `send_waiting`, which calls the real backend
(`settings.LIVE_MAIL_BACKEND`). A mail is kept in the transaction of the act that it is about. If the mail server is
away, the mail waits, and pages say so (`is_late`). A mail is sent at least once.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import Mail

logger = logging.getLogger(__name__)

MAILS_MAX = 100  # of one run of the job
LEASE = timedelta(minutes=1)  # the time that one try may take
RETRY_MAX = timedelta(hours=1)
KEPT = timedelta(days=2)
LATE = timedelta(minutes=2)

# Taken by one worker at a time: until then nobody else tries it.
_TAKE = """
UPDATE accounts_mail SET next_try_at = statement_timestamp() + %s, tries = tries + 1 WHERE id = (
    SELECT id FROM accounts_mail WHERE next_try_at <= statement_timestamp()
    ORDER BY next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING *
"""

_LATE = "SELECT EXISTS (SELECT FROM accounts_mail WHERE made_at < statement_timestamp() - make_interval(secs => %s))"


class MailQueue(BaseEmailBackend):
    """Set as EMAIL_BACKEND. Keeps plain text and its headers."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        mails = [
            Mail(to=message.to, subject=str(message.subject), body=str(message.body), headers=message.extra_headers)
            for message in email_messages
        ]
        Mail.objects.bulk_create(mails)
        transaction.on_commit(_ask_to_send)
        return len(mails)


def _ask_to_send() -> None:
    """Ask for the job now. If the broker is away, the job comes by itself within a minute."""
    from accounts.tasks import send_mail

    try:
        send_mail.apply_async(retry=False)
    except OperationalError:
        logger.info("the broker is away: mail waits for the next run of its job")


def send_waiting() -> int:
    """Send what is due; return how many are done. Stops at the first mail that the server does not take now."""
    for done in range(MAILS_MAX):
        found = list(Mail.objects.raw(_TAKE, [LEASE]))
        if not found or not _sent(found[0]):
            return done
    return MAILS_MAX


def _sent(mail: Mail) -> bool:
    """Send a mail; return whether it is done with."""
    message = EmailMessage(mail.subject, mail.body, None, mail.to, headers=mail.headers)
    message.connection = get_connection(settings.LIVE_MAIL_BACKEND)
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        return _given_up(mail, error)
    mail.delete()
    return True


def _given_up(mail: Mail, error: Exception) -> bool:
    """Try again later, each time twice as late; give up after `KEPT`, or at once if the address is refused."""
    if _is_refused(error) or mail.made_at < timezone.now() - KEPT:
        logger.warning("mail %s is given up after %d tries: %s", mail.pk, mail.tries, type(error).__name__)
        mail.delete()
        return True
    logger.warning("mail %s waits: the mail server does not take it (%s)", mail.pk, type(error).__name__)
    pause = min(timedelta(seconds=15 * 2 ** min(mail.tries, 16)), RETRY_MAX)
    Mail.objects.filter(pk=mail.pk).update(next_try_at=Now() + pause, error=str(error)[:200])
    return False


def _is_refused(error: Exception) -> bool:
    """Whether it is about the recipient, for good: another try would fail, too."""
    return isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _ in error.recipients.values()
    )


def is_late() -> bool:
    """Return whether mail has waited for longer than `LATE`: the mail server is away."""
    with connection.cursor() as cursor:
        cursor.execute(_LATE, [LATE.total_seconds()])
        return bool(cursor.fetchone()[0])
