"""An authority for certificates, by ACME (RFC 8555) with http-01. Called by host.certificates.renewing.

The protocol itself is certbot's library `acme`, which is large: only the process that asks imports this.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from acme import challenges, crypto_util, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import ExtensionNotFound
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from host.certificates.kept import CertificateOrder, KeptCertificate
from host.certificates.own import new_key
from host.embedded.folder import write_private
from host.errors import reason as reason_of

ANSWER_SECONDS = 30
"""How long the authority may take for one answer."""
DECIDE_SECONDS = 120
"""And for the whole of an order."""
POLL_SECONDS = 1.0
ASKED_MAX_SECONDS = 7 * 86_400
LOOK_AGAIN_MAX_SECONDS = 86_400


class NoCertificate(Exception):
    """There is no certificate this time, with the reason in words.

    `is_away`: the authority did not answer, or could not work. `asked_seconds`: how long it wants to be left alone.
    """

    def __init__(self, reason: str, *, is_away: bool, asked_seconds: float = 0) -> None:
        super().__init__(reason)
        self.is_away = is_away
        self.asked_seconds = asked_seconds


class CertificateAuthority:
    """The authority of an order, which knows the site by its account."""

    def __init__(
        self, order: CertificateOrder, kept: KeptCertificate, *, email: str, trust: Path | None, agent: str
    ) -> None:
        """`email`: where it may write to, or "". `trust`: the roots that sign its own HTTPS; None: the usual ones."""
        self._order = order
        self._email = email or None
        self._kept = kept
        self.name = urlsplit(order.directory).netloc
        self._net = ClientNetwork(alg=ES256, user_agent=agent, timeout=ANSWER_SECONDS)
        if trust is not None:
            self._net.verify_ssl = cast("Any", str(trust))  # `requests` takes a file there
        self._net.session.hooks["response"].append(self._hear)
        self._asked_seconds = 0.0

    def _hear(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        # The library keeps no headers of a refusal.
        self._asked_seconds = 0.0 if answer.ok else _seconds(answer.headers.get("Retry-After", ""))

    # When to renew

    def renewal_time(self, pem: bytes) -> tuple[float | None, float]:
        """Return when the authority wants a certificate to be renewed (RFC 9773; None: it does not say), and when to
        ask that again: within a day. Seconds since 1970.

        Raises NoCertificate.
        """
        with self._in_words():
            client = ClientV2(ClientV2.get_directory(self._order.directory, self._net), self._net)
            wanted, ask_again = client.renewal_time(pem)
        now = time.time()
        ask_again_at = min(max(ask_again.timestamp(), now + 60), now + LOOK_AGAIN_MAX_SECONDS)
        return (None if wanted is None else wanted.timestamp()), ask_again_at

    # A new certificate

    def certificate(self) -> str:
        """Return a key and a certificate for it, with those of its issuers, in PEM. Takes seconds.

        Raises NoCertificate, and OSError when nothing can be kept.
        """
        try:
            with self._in_words():
                return self._certificate()
        finally:
            self._kept.forget_answers()

    def _certificate(self) -> str:
        deadline = datetime.now() + timedelta(seconds=DECIDE_SECONDS)
        directory = ClientV2.get_directory(self._order.directory, self._net)
        client = ClientV2(directory, self._net)
        self._net.key = key = self._account_key()
        self._sign_in(client)
        _, key_pem = new_key()
        wanted = client.new_order(crypto_util.make_csr(key_pem.encode(), [*self._order.names]))
        asked = [one for one in wanted.authorizations if one.body.status == messages.STATUS_PENDING]
        for authorization in asked:
            self._answer(client, authorization, key)
        for authorization in asked:
            self._wait(client, authorization, deadline)
        return key_pem + client.finalize_order(wanted, deadline).fullchain_pem

    def _account_key(self) -> JWKEC:
        """Return the key of the account. One that is lost makes a new account."""
        with suppress(FileNotFoundError, ValueError, TypeError):
            key = load_pem_private_key(self._kept.account.read_bytes(), password=None)
            if isinstance(key, EllipticCurvePrivateKey):
                return JWKEC(key=key)
        key, pem = new_key()
        write_private(self._kept.account, pem)
        return JWKEC(key=key)

    def _sign_in(self, client: ClientV2) -> None:
        """Use the account of our key; make it, with agreement to the terms, if there is none yet."""
        try:
            client.new_account(messages.NewRegistration.from_data(email=self._email, terms_of_service_agreed=True))
        except errors.ConflictError as there:
            account = messages.RegistrationResource(uri=there.location, body=messages.Registration())
            self._net.account = account
            if self._email:
                client.update_registration(account, messages.Registration.from_data(email=self._email))

    def _answer(self, client: ClientV2, authorization: messages.AuthorizationResource, key: JWKEC) -> None:
        """Lay down what the authority wants to read at the name, and let it read."""
        asked = _http_challenge(authorization)
        if asked is None:
            name = authorization.body.identifier.value
            raise NoCertificate(f"{self.name} cannot prove {name} by a page (http-01)", is_away=False)
        response, answer = asked.chall.response_and_validation(key)
        self._kept.write_answer(asked.chall.encode("token"), answer)
        client.answer_challenge(asked, response)

    def _wait(self, client: ClientV2, authorization: messages.AuthorizationResource, deadline: datetime) -> None:
        """Return when the authority has found that the name is ours. Raises NoCertificate."""
        name = authorization.body.identifier.value
        while datetime.now() < deadline:
            authorization, _ = client.poll(authorization)
            if authorization.body.status == messages.STATUS_VALID:
                return
            asked = _http_challenge(authorization)
            error = asked.error if asked is not None else None
            # Some leave it pending after they have failed, until they are asked once more.
            has_failed = error is not None and asked is not None and asked.status != messages.STATUS_PROCESSING
            if has_failed or authorization.body.status not in (messages.STATUS_PENDING, messages.STATUS_PROCESSING):
                why = _in_one_line(error) if error is not None else f"it is {authorization.body.status.name}"
                raise NoCertificate(f"{self.name} does not find this site at port 80 of {name}: {why}", is_away=False)
            time.sleep(POLL_SECONDS)
        raise errors.TimeoutError

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Say each failure of the library as NoCertificate."""
        try:
            yield
        except messages.Error as error:
            raise self._failure(f"{self.name} refuses: {_in_one_line(error)}", is_away=_is_its_own(error)) from error
        except errors.IssuanceError as error:
            text = f"{self.name} gives no certificate: {_in_one_line(error.error)}"
            raise self._failure(text, is_away=_is_its_own(error.error)) from error
        except errors.TimeoutError as error:
            text = f"{self.name} has not decided within {DECIDE_SECONDS} s"
            raise self._failure(text, is_away=True) from error
        except requests.RequestException as error:
            raise self._failure(f"{self.name} does not answer: {_root(error)}", is_away=True) from error
        except (errors.Error, JoseError, ExtensionNotFound, KeyError, ValueError) as error:
            # A page in place of an answer, or a directory that is none.
            text = f"{self.name} does not answer as an authority (ACME) does: {_root(error)}"
            raise self._failure(text, is_away=True) from error

    def _failure(self, text: str, *, is_away: bool) -> NoCertificate:
        return NoCertificate(text, is_away=is_away, asked_seconds=self._asked_seconds)


def _http_challenge(authorization: messages.AuthorizationResource) -> messages.ChallengeBody | None:
    found = (one for one in authorization.body.challenges if isinstance(one.chall, challenges.HTTP01))
    return next(found, None)


def _seconds(retry_after: str) -> float:
    """Return how long a Retry-After asks to wait: it is a number of seconds, or a date."""
    try:
        wait = (
            float(retry_after)
            if retry_after.isdecimal()
            else parsedate_to_datetime(retry_after).timestamp() - time.time()
        )
    except ValueError:
        return 0.0
    return min(max(wait, 0.0), ASKED_MAX_SECONDS)


def _is_its_own(error: messages.Error) -> bool:
    """Whether the fault is on the side of the authority."""
    return error.code == "serverInternal"


def _in_one_line(error: messages.Error) -> str:
    said = [error, *(error.subproblems or ())]
    texts = [one.detail or one.title or one.description or one.typ for one in said]
    return " ".join("; ".join(dict.fromkeys(texts)).split())[:500]


def _root(error: BaseException) -> str:
    """Return what is at the bottom of an error: `requests` wraps it three times."""
    inner: BaseException | None = error
    while inner is not None:
        error = inner
        args = [each for each in (getattr(error, "reason", None), *error.args) if isinstance(each, BaseException)]
        inner = args[0] if args else error.__cause__ or error.__context__
    text = reason_of(error) if isinstance(error, Exception) else str(error)
    return " ".join((text or type(error).__name__).split())[:300]
