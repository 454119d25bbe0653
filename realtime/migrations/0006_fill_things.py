from typing import Any

from django.db import migrations

from realtime.log.things import fill


def fill_things(apps: Any, schema_editor: Any) -> None:
    fill()


class Migration(migrations.Migration):
    atomic = False  # each slice of rows is a transaction of its own: nobody waits long, and it can be run again

    dependencies = [
        ("realtime", "0005_things"),
    ]

    operations = [migrations.RunPython(fill_things, migrations.RunPython.noop)]
