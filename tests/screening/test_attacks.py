"""When comments are an attack: many newcomers who write alike. Crowds that greet and known people are none."""

from __future__ import annotations

from uuid import UUID, uuid4

from screening.attacks import AUTHORS_MIN, QUIET_MS, WINDOW_MS, Attack, AttackWatch, came_at_ms

NOW = 1_800_000_000_000
VIDEO = uuid4()


def person(number: int, *, came_at: int = NOW - 60_000) -> UUID:
    """Return an id of version 7."""
    return UUID(int=(came_at + number) << 80 | 7 << 76 | 2 << 62 | number)


def told(watch: AttackWatch, texts: list[str], *, step_ms: int = 100, came_at: int = NOW - 60_000) -> list[Attack]:
    found = (
        watch.seen(VIDEO, person(number, came_at=came_at), text, NOW + number * step_ms)
        for number, text in enumerate(texts)
    )
    return [attack for attack in found if attack is not None]


def test_id_says_when_somebody_came() -> None:
    assert came_at_ms(person(5)) == NOW - 60_000 + 5


def test_newcomers_who_write_alike_are_an_attack_once() -> None:
    [attack] = told(AttackWatch(), [f"Follow STREAMER{n} on the other platform n0w" for n in range(30)])
    assert attack.since.timestamp() * 1000 == NOW - 60_000
    assert attack.began.timestamp() * 1000 == NOW


def test_it_is_noticed_again_after_a_while() -> None:
    count = 3 * QUIET_MS // 500
    assert len(told(AttackWatch(), ["Come over to the other channel"] * count, step_ms=500)) == 3


def test_greetings_and_different_texts_are_none() -> None:
    assert told(AttackWatch(), ["Hello!", "gooooal", "🎉🎉🎉", "hi all"] * 30) == []
    words = ["the light is lovely", "who composed that music", "greetings from Lisbon", "does anybody know the score"]
    assert told(AttackWatch(), [f"{words[n % 4]}, {words[n // 4 % 4]} {n}" for n in range(AUTHORS_MIN - 1)]) == []


def test_people_who_are_known_are_none() -> None:
    assert told(AttackWatch(), ["Come over to the other channel"] * 30, came_at=NOW - 7_200_000) == []


def test_slow_repeats_and_one_person_are_none() -> None:
    assert told(AttackWatch(), ["Come over to the other channel"] * 30, step_ms=WINDOW_MS // (AUTHORS_MIN - 2)) == []
    watch = AttackWatch()
    assert not any(watch.seen(VIDEO, person(1), "Come over to the other channel", NOW + n) for n in range(30))
