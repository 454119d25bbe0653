from typing import Any

from django.db import migrations

from accounts.taken import fill


def fill_keys(apps: Any, schema_editor: Any) -> None:
    fill(apps.get_model("accounts", "Viewer"))


class Migration(migrations.Migration):
    atomic = False  # each slice of rows is a transaction of its own: nobody waits long, and it goes on where it ended

    dependencies = [
        ("accounts", "0006_name_key"),
    ]

    operations = [migrations.RunPython(fill_keys, migrations.RunPython.noop)]
