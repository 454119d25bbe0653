"""The settings of accounts and their mail, as Django and django-allauth read them.

liveplatform.settings takes over all of them. The variables of the environment begin with LIVE_.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from liveplatform.variables import env, integer, read

# Who may have an account

LIVE_SIGN_UP = read(
    "LIVE_SIGN_UP", env.str, "open", ("open", "invitation", "closed").__contains__, "open, invitation or closed"
)
LIVE_SIGN_UPS_PER_ADDRESS = integer("LIVE_SIGN_UPS_PER_ADDRESS", 20, 1, 1_000_000)  # an hour, and so many at once

# Mail: it is kept in the database, and a job sends it (accounts.outbox).

_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def _is_mail_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return url == "console" or (parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False


_mail = urlsplit(
    read(
        "LIVE_MAIL_URL",
        env.str,
        "console",
        _is_mail_server,
        "console, or a mail server like smtp+tls://user:password@mail.example.org (smtp, smtp+tls or smtps)",
    )
)
EMAIL_BACKEND = "accounts.outbox.MailQueue"
LIVE_MAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _mail.scheme else 'console'}.EmailBackend"
EMAIL_HOST = _mail.hostname or ""
EMAIL_PORT = _mail.port or _PORTS.get(_mail.scheme, 0)
EMAIL_HOST_USER = unquote(_mail.username or "")
EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
EMAIL_USE_TLS = _mail.scheme == "smtp+tls"
EMAIL_USE_SSL = _mail.scheme == "smtps"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = read(
    "LIVE_MAIL_FROM", env.str, "liveplatform@localhost", lambda text: "@" in text, "an e-mail address"
)

# Sign-in by OpenID Connect, at a provider of the operator's own choice


def _is_provider(url: str) -> bool:
    parts = urlsplit(url)
    return not url or (parts.scheme == "https" and bool(parts.hostname)) or parts.hostname in ("localhost", "127.0.0.1")


LIVE_OIDC_URL = read("LIVE_OIDC_URL", env.str, "", _is_provider, "an address like https://id.example.org").rstrip("/")
LIVE_OIDC_NAME = env.str("LIVE_OIDC_NAME", urlsplit(LIVE_OIDC_URL).hostname or "")
LIVE_OIDC_CLIENT = env.str("LIVE_OIDC_CLIENT", "")
LIVE_OIDC_SECRET = env.str("LIVE_OIDC_SECRET", "")
if LIVE_OIDC_URL and not LIVE_OIDC_CLIENT:
    raise ImproperlyConfigured("LIVE_OIDC_CLIENT must be set where LIVE_OIDC_URL is")

# Jobs

ACCOUNT_JOBS = {
    "forget-sessions": {"task": "accounts.tasks.forget_sessions", "schedule": 3600.0},
    "send-mail": {"task": "accounts.tasks.send_mail", "schedule": 60.0, "options": {"expires": 60.0}},
    "erase": {"task": "accounts.tasks.erase", "schedule": 10.0, "options": {"expires": 10.0}},
    "fill-name-keys": {"task": "accounts.tasks.fill_name_keys", "schedule": 3_600.0},
    "forget-guests": {"task": "accounts.tasks.forget_guests", "schedule": 86_400.0},
}

# Passwords

AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "name", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 60 * 60 * 24

# django-allauth. Limits are ours: those count in a cache of each process (accounts.sign_in).

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"signup": "accounts.forms.SignUpForm"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
# An address that somebody else has already can be entered, too: it cannot be confirmed twice.
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
ACCOUNT_RATE_LIMITS = False
# Guests are signed in, too. They may sign up.
ACCOUNT_AUTHENTICATED_LOGIN_REDIRECTS = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]
# Of what it calls second factors only passkeys, and as a way to sign in.
MFA_ADAPTER = "accounts.adapter.PasskeyAdapter"
MFA_SUPPORTED_TYPES = ["webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
SOCIALACCOUNT_ADAPTER = "accounts.adapter.ProviderAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": LIVE_OIDC_NAME,
                "client_id": LIVE_OIDC_CLIENT,
                "secret": LIVE_OIDC_SECRET,
                "settings": {"server_url": LIVE_OIDC_URL},
            }
        ]
        if LIVE_OIDC_URL
        else [],
    }
}
