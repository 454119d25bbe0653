"""Years of a site, made in PostgreSQL by a few statements a table. Called by benchmarks.growth.

A load adds to what is there already: the site grows. The people, videos and conversations that the operations are about
come with the first load, and are the same ever after. What is newest is spread over the last hour, the rest over three
years.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

CONVERSATION_MESSAGES = 5
FOCUS_CONVERSATIONS = 200
GROUP_MEMBERS = 50
LISTED = 30  # videos that are live, and as many that are planned
TABLES = (
    "videos_like", "videos_comment", "realtime_loggedevent", "realtime_seenviewer", "realtime_topic",
    "accounts_viewer", "messaging_message", "messaging_member", "messaging_conversation", "videos_video",
    "videos_likecount", "videos_timelinestep", "notices_notice", "notices_noticecomment", "django_session",
    "following_follow",
)  # fmt: skip
"""The large ones: what the table of sizes shows."""
RARE_WORD, COMMON_WORD = "zebrafish", "evening"


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything a site has."""

    likes: int
    comments: int
    videos: int
    viewers: int
    messages: int

    def scaled(self, factor: float) -> Size:
        return Size(*(round(factor * getattr(self, name)) for name in self.__slots__))


SMALL = Size(likes=10_000, comments=2_500, videos=100, viewers=1_000, messages=1_000)
LARGE = Size(likes=20_000_000, comments=5_000_000, videos=100_000, viewers=1_000_000, messages=1_000_000)

# An id of version 7 of that moment: `kind` and number make it the only one.
_FUNCTIONS = """
CREATE FUNCTION pg_temp.id_at(moment timestamptz, kind int, n bigint) RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(kind), 3, '0')
           || '8' || lpad(to_hex(n), 15, '0'))::uuid $$;
CREATE FUNCTION pg_temp.mixed(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT (hashint8extended(n, 42) & 4611686018427387903) $$;
CREATE TEMP TABLE word AS SELECT n AS k, string_agg(part, '') AS text FROM generate_series(0, 3999) n, LATERAL (
  SELECT (ARRAY['ba','do','ki','lu','men','no','ras','ti','ver','wo','zan','ple'])[1 + pg_temp.mixed(n * 4 + i) % 12]
  AS part FROM generate_series(0, 1 + n % 3) i) parts GROUP BY n;
CREATE TEMP TABLE sentence AS
SELECT s.n AS k, string_agg(word.text, ' ' ORDER BY i) AS text FROM generate_series(0, 9999) s(n)
CROSS JOIN generate_series(0, 5) i JOIN word ON word.k = pg_temp.mixed(s.n * 6 + i) % 4000 GROUP BY s.n;
UPDATE sentence SET text = 'evening ' || text WHERE k % 20 = 0;
ANALYZE word, sentence;
CREATE TEMP TABLE person (n bigint PRIMARY KEY, id uuid, at timestamptz);
CREATE TEMP TABLE film (n bigint PRIMARY KEY, id uuid, owner_id uuid, at timestamptz, is_over boolean);
CREATE TEMP TABLE talk (n bigint PRIMARY KEY, id uuid, at timestamptz);
"""

# Parameters: those of the batch. `a` and `b`: its first and its last row of the kind that comes first in FROM.
_PEOPLE = """
INSERT INTO person SELECT n, pg_temp.id_at(at, 1, n), at FROM (
  SELECT n, now() - interval '1095 days' * (%(b)s - n + 1) / (%(b)s - %(a)s + 1) AS at
  FROM generate_series(%(a)s, %(b)s) n) made;
INSERT INTO accounts_viewer (id, username, name, name_key, password, email, is_superuser, is_staff, is_active,
  date_joined, is_guest, is_broadcaster)
SELECT id, CASE WHEN n %% 3 = 0 THEN 'user' ELSE 'guest-' END || n, initcap(word.text) || n, word.text || n, '!',
  CASE WHEN n %% 3 = 0 THEN 'user' || n || '@example.org' ELSE '' END, false, false, true, at, n %% 3 <> 0, n %% 100 = 0
FROM person JOIN word ON word.k = pg_temp.mixed(person.n) %% 4000 WHERE person.n BETWEEN %(a)s AND %(b)s ORDER BY id;
INSERT INTO following_channel (owner_id, followers) SELECT id, 99 FROM person
WHERE n BETWEEN %(a)s AND %(b)s AND n %% 100 = 0;
INSERT INTO following_follow (viewer_id, channel_id) SELECT person.id, channel.id FROM person
JOIN person channel ON channel.n = person.n - person.n %% 100
WHERE person.n BETWEEN %(a)s AND %(b)s AND person.n >= 100 AND person.n %% 100 > 0
ORDER BY 1;
INSERT INTO django_session (session_key, session_data, expire_date)
SELECT 'session' || n, repeat('x', 160), now() + interval '90 days' * random() FROM person
WHERE n BETWEEN %(a)s AND %(b)s AND n %% 3 = 0;
"""
_VIDEOS = """
INSERT INTO film SELECT made.n, pg_temp.id_at(made.at, 2, made.n), person.id, made.at, made.n > %(listed)s FROM (
  SELECT n, now() - interval '1094 days' * (%(b)s - n + 1) / (%(b)s - %(a)s + 1) AS at
  FROM generate_series(%(a)s, %(b)s) n) made JOIN person ON person.n = 100 * (1 + pg_temp.mixed(made.n)
  %% (%(viewers)s / 100));
INSERT INTO videos_video (id, owner_id, title, description, status, visibility, comments_enabled, playlist,
  started_at, ended_at, created_at, starts_at)
SELECT id, owner_id, sentence.text, repeat(sentence.text || '. ', 5),
  CASE WHEN is_over THEN 'ended' WHEN film.n %% 2 = 0 THEN 'live' ELSE 'upcoming' END, 'public', true, '',
  CASE WHEN is_over OR film.n %% 2 = 0 THEN at END, CASE WHEN is_over THEN at + interval '50 minutes' END, at,
  CASE WHEN NOT is_over AND film.n %% 2 = 1 THEN now() + interval '1 day' END
FROM film JOIN sentence ON sentence.k = film.n %% 10000 WHERE film.n BETWEEN %(a)s AND %(b)s ORDER BY id;
INSERT INTO realtime_topic (name, seq, version, viewers_peak)
SELECT 'video:' || id, %(comments_each)s, 1, 50 FROM film WHERE n BETWEEN %(a)s AND %(b)s ORDER BY 1;
INSERT INTO videos_timelinestep (video_id, at, reactions, comments, viewers)
SELECT id, at + step * interval '5 minutes', '{"heart": 3}', 2, 40 FROM film, generate_series(0, 9) step
WHERE n BETWEEN %(a)s AND %(b)s ORDER BY 1, 2;
INSERT INTO realtime_audience (topic_id, level, kept, is_open)
SELECT 'video:' || id, 0, 20, NOT is_over FROM film WHERE n BETWEEN %(a)s AND %(b)s ORDER BY 1;
INSERT INTO realtime_seenviewer (topic_id, key)
SELECT 'video:' || id, pg_temp.mixed(film.n * 20 + i) FROM film, generate_series(0, 19) i
WHERE n BETWEEN %(a)s AND %(b)s AND NOT is_over ORDER BY 1, 2;
"""
_LIKES = """
INSERT INTO videos_like (video_id, viewer_id, kind, created_at)
SELECT film.id, person.id, (ARRAY['like','celebrate','support','love','insightful','funny'])[1 + i %% 6], film.at
FROM film CROSS JOIN generate_series(0, %(likes_each)s - 1) i
JOIN person ON person.n = 1 + (film.n * 104729 + i * 7919) %% %(viewers)s
WHERE film.n BETWEEN %(a)s AND %(b)s ORDER BY 1, 2;
INSERT INTO videos_likecount (video_id, kind, count)
SELECT id, (ARRAY['like','celebrate','support','love','insightful','funny'])[1 + kind],
  (%(likes_each)s + 5 - kind) / 6 FROM film, generate_series(0, 5) kind
WHERE n BETWEEN %(a)s AND %(b)s ORDER BY 1, 2;
"""
_COMMENTS = """
INSERT INTO videos_comment (id, video_id, author_id, body, seq, created_at)
SELECT pg_temp.id_at(film.at + i * interval '50 seconds', 3, film.n * 10000 + i), film.id, person.id,
  first.text || ', ' || second.text, i, film.at + i * interval '50 seconds'
FROM film CROSS JOIN generate_series(1, %(comments_each)s) i
JOIN person ON person.n = 1 + pg_temp.mixed(film.n * 10000 + i) %% %(viewers)s
JOIN sentence first ON first.k = pg_temp.mixed(film.n * 10000 + i + 1) %% 10000
JOIN sentence second ON second.k = pg_temp.mixed(film.n * 10000 + i + 2) %% 10000
WHERE film.n BETWEEN %(a)s AND %(b)s ORDER BY 1;
INSERT INTO realtime_loggedevent (topic_id, seq, name, data, thing, at)
SELECT 'video:' || c.video_id, c.seq, 'comment', json_build_object('seq', c.seq, 'at_ms', 1700000000000, 'topic',
  'video:' || c.video_id, 'comment', json_build_object('id', c.id, 'body', c.body, 'seq', c.seq, 'at_ms', 1700000000000,
  'author', json_build_object('id', c.author_id, 'name', 'Ada Lovelace', 'role', NULL), 'pinned', false,
  'reply_to', NULL, 'client_id', c.id, 'edited_at_ms', NULL))::jsonb, c.id, c.created_at
FROM film JOIN videos_comment c ON c.video_id = film.id WHERE film.n BETWEEN %(a)s AND %(b)s ORDER BY 1, 2;
INSERT INTO notices_notice (id, viewer_id, video_id, kind, at, seen_at)
SELECT pg_temp.id_at(film.at, 4, film.n * 100 + i), person.id, film.id, 'answer', film.at, film.at
FROM film CROSS JOIN generate_series(1, greatest(%(comments_each)s / 10, 1)) i
JOIN person ON person.n = 1 + pg_temp.mixed(film.n * 100 + i) %% %(viewers)s
WHERE film.n BETWEEN %(a)s AND %(b)s ORDER BY 1;
INSERT INTO notices_noticecomment (notice_id, author_id, comment_id, at)
SELECT notice.id, c.author_id, c.id, c.created_at FROM film JOIN notices_notice notice ON notice.video_id = film.id
JOIN videos_comment c ON c.video_id = film.id AND c.seq = 1
WHERE film.n BETWEEN %(a)s AND %(b)s ORDER BY 1;
"""
# The first conversations are those of the first person; the very first one is a group.
_MESSAGES = """
INSERT INTO talk SELECT n, pg_temp.id_at(at, 5, n), at FROM (
  SELECT n, now() - interval '1093 days' * (%(b)s - n + 1) / (%(b)s - %(a)s + 1) AS at
  FROM generate_series(%(a)s, %(b)s) n) made;
CREATE TEMP TABLE place ON COMMIT DROP AS
SELECT DISTINCT talk.id AS talk_id, talk.n, talk.at, person.id AS person_id FROM (
  SELECT n, 1 + i AS who FROM generate_series(1, 1) n, generate_series(0, %(group)s - 1) i WHERE %(a)s = 1
  UNION ALL SELECT n, unnest(CASE WHEN n <= %(focus)s THEN ARRAY[1, n] ELSE
    ARRAY[2 + n * 2 %% (%(viewers)s - 2), 3 + n * 2 %% (%(viewers)s - 2)] END)
  FROM generate_series(greatest(%(a)s, 2), %(b)s) n) seat
JOIN talk USING (n) JOIN person ON person.n = seat.who;
INSERT INTO messaging_conversation (id, title, creator_id, pair, created_at, active_at)
SELECT talk_id, '', min(person_id::text)::uuid,
  CASE WHEN n > 1 THEN string_agg(person_id::text, ':' ORDER BY person_id::text) END, at, at
FROM place GROUP BY talk_id, n, at ORDER BY talk_id
"""
_MEMBERS = """
INSERT INTO messaging_member (conversation_id, viewer_id, joined_at, joined_seq, seen_seq, unread)
SELECT talk_id, person_id, at, 0, 0, 0 FROM place ORDER BY 1, 2;
INSERT INTO realtime_topic (name, seq, version, viewers_peak)
SELECT 'conversation:' || id, %(messages_each)s, 0, 0 FROM talk WHERE n BETWEEN %(a)s AND %(b)s ORDER BY 1;
INSERT INTO realtime_topic (name, seq, version, viewers_peak)
SELECT DISTINCT 'user:' || person_id, %(messages_each)s, 0, 0 FROM place ORDER BY 1 ON CONFLICT DO NOTHING;
INSERT INTO messaging_message (id, conversation_id, author_id, body, seq, created_at)
SELECT pg_temp.id_at(place.at, 6, place.n * 10 + i), talk_id, person_id, sentence.text, i, place.at
FROM (SELECT *, row_number() OVER (PARTITION BY n ORDER BY person_id) AS seat FROM place) place
CROSS JOIN generate_series(1, %(messages_each)s) i
JOIN sentence ON sentence.k = pg_temp.mixed(place.n * 10 + i) %% 10000
WHERE seat = 1 + i %% 2 ORDER BY 1;
INSERT INTO realtime_loggedevent (topic_id, seq, name, data, thing, at)
SELECT 'conversation:' || m.conversation_id, m.seq, 'message', json_build_object('seq', m.seq, 'at_ms', 1700000000000,
  'topic', 'conversation:' || m.conversation_id, 'message', json_build_object('id', m.id, 'body', m.body, 'seq', m.seq,
  'author', json_build_object('id', m.author_id, 'name', 'Ada Lovelace')))::jsonb, m.id, m.created_at
FROM talk JOIN messaging_message m ON m.conversation_id = talk.id WHERE talk.n BETWEEN %(a)s AND %(b)s ORDER BY 1, 2
"""

# Of the operations: the first person hears, and moderates a live video; the administrator looks.
_FOCUS = """
INSERT INTO accounts_viewer (id, username, name, name_key, password, email, is_superuser, is_staff, is_active,
  date_joined, is_guest, is_broadcaster)
VALUES (gen_random_uuid(), 'administrator', 'Administrator', 'administrator', '!', '', true, true, true, now(), false,
  false);
UPDATE accounts_viewer SET is_guest = false, is_broadcaster = true, is_staff = true
WHERE id = (SELECT id FROM person WHERE n = 1);
UPDATE videos_video SET owner_id = (SELECT id FROM person WHERE n = 1), title = 'Where the zebrafish are'
WHERE id IN (SELECT id FROM film WHERE n IN (2, 80));
UPDATE videos_comment SET body = 'A zebrafish ' || seq
WHERE video_id = (SELECT id FROM film WHERE n = 81) AND seq <= 5;
INSERT INTO moderation_complaint (id, channel_id, kind, about, video_id, viewer_id, reporter_id, reason)
SELECT gen_random_uuid(), owner.id, 'comment', c.id, c.video_id, c.author_id, owner.id, 'spam'
FROM film JOIN videos_comment c ON c.video_id = film.id, person owner
WHERE film.n = 2 AND owner.n = 1 AND c.author_id <> owner.id AND c.seq <= 10;
INSERT INTO videos_heldcomment (id, video_id, author_id, body, reason)
SELECT gen_random_uuid(), film.id, person.id, 'Held ' || person.n, 'held'
FROM film, person WHERE film.n = 2 AND person.n BETWEEN 2 AND 21;
INSERT INTO notices_notice (id, viewer_id, video_id, kind, at)
SELECT gen_random_uuid(), person.id, film.id, 'answer', film.at FROM film, person
WHERE person.n = 1 AND film.n BETWEEN 61 AND 99;
INSERT INTO notices_noticecomment (notice_id, author_id, comment_id, at)
SELECT notice.id, c.author_id, c.id, c.created_at FROM person JOIN notices_notice notice ON notice.viewer_id = person.id
JOIN videos_comment c ON c.video_id = notice.video_id AND c.seq = 1 WHERE person.n = 1 ON CONFLICT DO NOTHING
"""
# Somebody whose account is erased: 20 conversations, 20 comments and 20 likes, all with what others have.
_LEAVER = """
INSERT INTO accounts_viewer (id, username, name, name_key, password, email, is_superuser, is_staff, is_active,
  date_joined, is_guest, is_broadcaster)
VALUES (%(id)s, %(id)s, 'Leaver', 'leaver', '!', '', false, false, true, now(), false, false);
INSERT INTO realtime_topic (name, seq, version, viewers_peak) VALUES ('user:' || %(id)s, 0, 0, 0);
INSERT INTO messaging_member (conversation_id, viewer_id, joined_at, joined_seq, seen_seq, unread)
SELECT id, %(id)s, at, 0, 0, 0 FROM talk WHERE n BETWEEN 100 AND 119;
UPDATE messaging_member SET unread = unread + 1
WHERE viewer_id <> %(id)s AND conversation_id IN (SELECT id FROM talk WHERE n BETWEEN 100 AND 119);
INSERT INTO messaging_message (id, conversation_id, author_id, body, seq)
SELECT gen_random_uuid(), id, %(id)s, 'I was here', 1000000 + %(n)s FROM talk WHERE n BETWEEN 100 AND 119;
INSERT INTO videos_comment (id, video_id, author_id, body, seq)
SELECT gen_random_uuid(), id, %(id)s, 'I was here', 1000000 + %(n)s FROM film WHERE n BETWEEN 61 AND 80;
INSERT INTO videos_like (video_id, viewer_id, kind) SELECT id, %(id)s, 'like' FROM film WHERE n BETWEEN 61 AND 80;
UPDATE videos_likecount SET count = count + 1 WHERE kind = 'like'
AND video_id IN (SELECT id FROM film WHERE n BETWEEN 61 AND 80)
"""


class Loader:
    """One session with the site's database. `size`: what has been loaded."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._run("SET client_min_messages = warning; SET work_mem = '256MB'; SET maintenance_work_mem = '1GB'")
        self._run("SET session_replication_role = replica")  # what is made here refers to what is there
        self._run(_FUNCTIONS)
        self.size = Size(0, 0, 0, 0, 0)

    def close(self) -> None:
        self._connection.close()

    def grow_to(self, size: Size) -> None:
        """Load what is missing, with indexes made afterwards."""
        was, first = self.size, self.size.videos == 0
        videos = size.videos - was.videos
        batch = {
            "viewers": size.viewers,
            "listed": 2 * LISTED,
            "likes_each": (size.likes - was.likes) // videos,
            "comments_each": (size.comments - was.comments) // videos,
            "messages_each": CONVERSATION_MESSAGES,
            "focus": FOCUS_CONVERSATIONS,
            "group": GROUP_MEMBERS,
        }
        talks, all_talks = was.messages // CONVERSATION_MESSAGES, size.messages // CONVERSATION_MESSAGES
        with self._quickly(), self._without_indexes():
            self._fill(_PEOPLE, was.viewers, size.viewers, batch)
            self._fill(_VIDEOS, was.videos, size.videos, batch)
            self._fill(_LIKES, was.videos, size.videos, batch)
            self._fill(_COMMENTS, was.videos, size.videos, batch)
            self._fill(f"BEGIN; {_MESSAGES}; {_MEMBERS}; COMMIT", talks, all_talks, batch)
            if first:
                self._run(_FOCUS)
        self._run("VACUUM ANALYZE")
        self._run("CHECKPOINT")
        self.size = size

    def add_leaver(self, id: str, number: int) -> None:
        self._run(_LEAVER, {"id": id, "n": number})

    def add_old_events(self, count: int) -> None:
        """Add to the log of a video that has ended what is a week old, as a job finds it that runs each hour."""
        statement = """
        WITH head AS (UPDATE realtime_topic SET seq = seq + %(count)s
          WHERE name = (SELECT 'video:' || id FROM film WHERE n = 80) RETURNING name, seq)
        INSERT INTO realtime_loggedevent (topic_id, seq, name, data, at)
        SELECT name, seq - i, 'video', '{}', now() - interval '7 days' FROM head, generate_series(0, %(count)s - 1) i
        """
        self._run(statement, {"count": count})

    def tidy_log(self) -> None:
        """Give the place of deleted events back, as if there had never been so many."""
        self._run("VACUUM (FULL, ANALYZE) realtime_loggedevent")

    def ids(self) -> dict[str, Any]:
        """Return the ids that the operations are about."""
        found: dict[str, Any] = {}
        for name, table, number in (
            ("focus", "person", 1), ("other", "person", 2), ("live", "film", 2), ("ended", "film", 80),
            ("group", "talk", 1), ("pair", "talk", 2), ("talked", "film", 81),
        ):  # fmt: skip
            query = sql.SQL("SELECT id FROM {} WHERE n = %s").format(sql.Identifier(table))
            [(found[name],)] = self._connection.execute(query, [number]).fetchall()
        return found

    def sizes(self) -> dict[str, dict[str, float]]:
        """Return for each large table its rows, and the MB of the table and of its indexes."""
        found: dict[str, dict[str, float]] = {}
        for table in TABLES:
            row = self._connection.execute(
                "SELECT reltuples, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class WHERE oid = %s::regclass",
                [table],
            ).fetchone()
            assert row
            found[table] = {
                "rows": int(row[0]),
                "MB": round(row[1] / 2**20, 1),
                "MB of indexes": round(row[2] / 2**20, 1),
            }
        return found

    def _fill(self, statements: str, done: int, until: int, batch: Mapping[str, int]) -> None:
        if until > done:
            self._run(statements, {**batch, "a": done + 1, "b": until})

    def _run(self, statements: str, values: Mapping[str, Any] | None = None) -> None:
        with psycopg.ClientCursor(self._connection) as cursor:
            cursor.execute(statements.encode() if values is None else statements, values)

    @contextmanager
    def _quickly(self) -> Iterator[None]:
        """Load without waiting for the disk. Afterwards the server is as it was."""
        quick = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "max_wal_size": "'16GB'"}
        for name, value in quick.items():
            self._run(f"ALTER SYSTEM SET {name} = {value}")
        self._run("SELECT pg_reload_conf()")
        yield
        for name in quick:
            self._run(f"ALTER SYSTEM RESET {name}")
        self._run("SELECT pg_reload_conf()")

    @contextmanager
    def _without_indexes(self) -> Iterator[None]:
        """Drop what other tables do not need, and make it again."""
        again = []
        for table in TABLES:
            rows = self._connection.execute(
                "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), c.conname,"
                " pg_get_constraintdef(c.oid) FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid"
                " AND c.contype <> 'f' WHERE i.indrelid = %s::regclass AND NOT EXISTS"
                " (SELECT FROM pg_constraint f WHERE f.conindid = i.indexrelid AND f.contype = 'f')",
                [table],
            ).fetchall()
            for name, index, constraint, definition in rows:
                if constraint:
                    self._run(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
                    again.append(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}")
                else:
                    self._run(f"DROP INDEX {name}")
                    again.append(index)
        yield
        for statement in again:
            self._run(statement)
