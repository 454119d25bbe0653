"""When comments are an attack: many newcomers who write alike, or come as a crowd. Honest crowds are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from screening.attacks import (
    AUTHORS_MIN,
    LOOK_EVERY_MS,
    QUIET_MS,
    RUSH_AUTHORS_MIN,
    WINDOW_MS,
    Attack,
    AttackKind,
    AttackWatch,
    Recent,
    came_at_ms,
    crowd_in,
    is_far_above,
)

NOW = 1_800_000_000_000
NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)
HOURS = timedelta(hours=2)
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


def crowd(
    people: int, *, addresses: int, comments: int = 1, came: timedelta = timedelta(seconds=20), first: int = 0
) -> list[Recent]:
    """Return what people who came at that time before have written, one after the other within 5 s."""
    count = people * comments
    return [
        Recent(
            person(first + number % people),
            NOON - came + timedelta(seconds=number % people * 0.01),
            NOON - timedelta(seconds=5) + timedelta(seconds=5) * (number / count),
            f"address {number % people % addresses}" if addresses else "",
        )
        for number in range(count)
    ]


def test_a_crowd_from_few_addresses_is_an_attack_whatever_it_writes() -> None:
    attack = crowd_in(crowd(34, addresses=3))
    assert attack is not None
    assert (attack.kind, attack.people, attack.addresses) == (AttackKind.GUESTS, 34, 3)
    assert attack.since == NOON - timedelta(seconds=20)
    assert attack.is_like("anything")


def test_newcomers_who_write_far_more_than_others_are_an_attack() -> None:
    """They come from an address each, or from one, or nobody knows from where."""
    for addresses in (60, 1, 0):
        attack = crowd_in([*crowd(60, addresses=addresses), *crowd(10, addresses=10, came=HOURS, first=100)])
        assert attack is not None
        assert (attack.kind, attack.people, attack.comments) == (AttackKind.RUSH, 60, 60)
        assert not is_far_above(attack, 100)  # it was as loud before
        assert is_far_above(attack, 20)


def test_a_goal_in_a_match_is_none() -> None:
    """500 viewers who were there before write 60 comments in 5 s; some of the others take a name to cheer, too."""
    regulars = crowd(60, addresses=20, came=HOURS)
    assert crowd_in(regulars) is None
    assert crowd_in([*regulars, *crowd(50, addresses=12, first=100)]) is None


def test_people_of_one_school_or_two_families_are_none() -> None:
    assert crowd_in(crowd(38, addresses=2)) is None
    assert crowd_in(crowd(36, addresses=18)) is None


def test_few_people_who_write_much_are_none() -> None:
    assert crowd_in(crowd(RUSH_AUTHORS_MIN - 1, addresses=0, comments=10)) is None


def test_honest_newcomers_are_not_of_the_wave() -> None:
    """They came a minute before the crowd, and are not shut out with it."""
    attack = crowd_in([*crowd(5, addresses=5, came=timedelta(seconds=80), first=100), *crowd(60, addresses=10)])
    assert attack is not None
    assert attack.since == NOON - timedelta(seconds=20)
    assert attack.people == 60


def test_it_looks_at_a_video_after_comments_of_newcomers_and_not_after_each() -> None:
    watch = AttackWatch()
    at = [NOW + step for step in (0, LOOK_EVERY_MS // 2, LOOK_EVERY_MS)]
    assert [watch.is_to_look(VIDEO, person(1), at_ms) for at_ms in at] == [True, False, True]
    assert watch.is_to_look(uuid4(), person(1), at[1])
    assert not watch.is_to_look(uuid4(), person(1, came_at=NOW - 3_600_000), NOW)
