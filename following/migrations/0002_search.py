"""Indexes of the words of channels and videos. The expressions are those of following.search."""

from django.db import migrations

FOLDED = r"to_tsvector('simple', translate(regexp_replace(normalize({}, NFKD), '[\u0300-\u036f]', '', 'g'), './@:_-', '      '))"
INDEXES = {
    "video_words": ("videos_video", "title || ' ' || description", "visibility = 'public'"),
    "viewer_words": ("accounts_viewer", "name", "(is_broadcaster OR is_staff OR is_superuser)"),
    "channel_words": ("following_channel", "coalesce(handle, '') || ' ' || about", "true"),
}


class Migration(migrations.Migration):
    dependencies = [
        ("following", "0001_initial"),
        ("videos", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(
            f"CREATE INDEX {name} ON {table} USING gin ({FOLDED.format(text)}) WHERE {which}", f"DROP INDEX {name}"
        )
        for name, (table, text, which) in INDEXES.items()
    ]
