"""How often an address may make guests and try passwords. Read from the settings; `LIVE_LIMITS=off` opens them."""

from __future__ import annotations

from django.conf import settings

from realtime.act_limits import a_minute
from realtime.limits import RateLimit

GUESTS = a_minute(settings.LIVE_GUESTS_PER_ADDRESS)

LOGINS = a_minute(settings.LIVE_LOGINS_PER_ADDRESS)  # guesses of a password

PASSKEYS = a_minute(settings.LIVE_LOGINS_PER_ADDRESS)  # questions for one

DEVICES = RateLimit(burst=settings.LIVE_DEVICES_PER_ADDRESS, per_second=settings.LIVE_DEVICES_PER_ADDRESS / 3600)

GUESSES = RateLimit(burst=10, per_second=1 / 60)  # per account, or per browser that has signed in with it before

COPIES = RateLimit(burst=3, per_second=1 / 600)  # of all that an account has, for its owner

PORTRAITS = RateLimit(burst=10, per_second=0.1)

LEAVES = RateLimit(burst=5, per_second=1 / 60)  # each may be a guess of the password

SIGN_UPS = RateLimit(burst=settings.LIVE_SIGN_UPS_PER_ADDRESS, per_second=settings.LIVE_SIGN_UPS_PER_ADDRESS / 3600)

MAILS = RateLimit(burst=30, per_second=30 / 3600)  # asked for from one address

MAILS_TO_ONE = RateLimit(burst=4, per_second=1 / 900)
