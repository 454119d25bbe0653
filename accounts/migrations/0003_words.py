"""The words of viewers, with the expression of web.searching: the admin looks for them."""

from django.db import migrations

from realtime.indexes import MakeIndexMeanwhile

TEXT = "username || ' ' || name || ' ' || email"
WORDS = r"to_tsvector('simple', translate(regexp_replace(normalize({}, NFKD), '[\u0300-\u036f]', '', 'g'), './@:_-', '      '))"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0002_lists")]

    operations = [
        MakeIndexMeanwhile(
            "person_words",
            f"accounts_viewer USING gin ({WORDS.format(TEXT)}) WITH (fastupdate = off)",
        ),
    ]
