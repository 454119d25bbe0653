"""What the rules cost a comment: one channel with 500 patterns and 2,000 words, texts of people and of attackers.

    .venv/bin/python -m benchmarks.screening

Prints microseconds of the processor a comment, without the database. It needs no server.
"""

from __future__ import annotations

import os
import random
import string
import time
from datetime import UTC, datetime, timedelta

import django

PATTERNS, WORDS, ROUNDS = 500, 2_000, 2_000


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")
    django.setup()
    from screening.rules import Draft, Rules, check
    from screening.words import Measure, Wordlist, entries_of

    chance = random.Random(1)

    def word() -> str:
        return "".join(chance.choices(string.ascii_lowercase, k=chance.randint(4, 9)))

    lines = [rf"/\b{word()}\s+({word()}|{word()})s?\b/" for _ in range(PATTERNS - 2)]
    lines += ["/(a+)+$/", "/(.*a){15}/", *(word() for _ in range(WORDS))]
    began = time.thread_time()
    lists = [Wordlist(entries_of("\n".join(lines), Measure.REFUSE))]
    print(f"{PATTERNS} patterns and {WORDS:,} words are ready after {1e3 * (time.thread_time() - began):.0f} ms")

    now = datetime.now(UTC)
    rules = Rules(slow_seconds=5, account_minutes=60, links_off=True, capitals_off=True, repeats_off=True)
    texts = {
        "a comment of 60 characters": [" ".join(word() for _ in range(8)) for _ in range(ROUNDS)],
        "the same in Cyrillic and with accents": [
            f"Привет всем, как дела? Ça va très bien {word()}" for _ in range(ROUNDS)
        ],
        "1,000 characters": [" ".join(word() for _ in range(150))[:1_000] for _ in range(ROUNDS)],
        "1,000 characters for a pattern that explodes elsewhere": ["a" * 999 + "!"] * ROUNDS,
        "1,000 characters that look like others": ["".join(chance.choices("аеорсух ", k=1_000)) for _ in range(ROUNDS)],
    }
    for name, some in texts.items():
        drafts = [
            Draft(text, now, False, now - timedelta(days=9), None, now - timedelta(hours=1), "x") for text in some
        ]
        took = []
        for draft in drafts:
            began = time.thread_time()
            check(draft, rules, lists)
            took.append(1e6 * (time.thread_time() - began))
        took.sort()
        print(f"{name}: median {took[ROUNDS // 2]:.0f} us, 99 % below {took[ROUNDS * 99 // 100]:.0f} us")


if __name__ == "__main__":
    main()
