"""The moments of the pictures that are there. A transaction of its own: few rows change, and no table is locked."""

from django.db import migrations

FILL = """
UPDATE accounts_viewer v SET picture = (extract(epoch FROM p.changed_at) * 1000)::bigint
FROM accounts_portrait p WHERE p.viewer_id = v.id AND v.picture = 0
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_picture")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
