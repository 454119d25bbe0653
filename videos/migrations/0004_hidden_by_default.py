"""Where 0002 was applied before it had the database's default: give the column one."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("videos", "0003_superusers"),
    ]

    operations = [
        migrations.RunSQL("ALTER TABLE videos_viewer ALTER COLUMN is_hidden SET DEFAULT false", migrations.RunSQL.noop),
    ]
