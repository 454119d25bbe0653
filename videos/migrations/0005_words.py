"""The words of comments and titles, with the expression of web.searching: the admin looks for them.

fastupdate: else one comment of some thousands would wait until the list of the last ones is put in order.
"""

from django.db import migrations

from realtime.indexes import MakeIndexMeanwhile

WORDS = r"to_tsvector('simple', translate(regexp_replace(normalize({}, NFKD), '[\u0300-\u036f]', '', 'g'), './@:_-', '      '))"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("videos", "0004_fewer_indexes")]

    operations = [
        MakeIndexMeanwhile(
            "comment_words", f"videos_comment USING gin ({WORDS.format('body')}) WITH (fastupdate = off)"
        ),
        MakeIndexMeanwhile("title_words", f"videos_video USING gin ({WORDS.format('title')}) WITH (fastupdate = off)"),
    ]
