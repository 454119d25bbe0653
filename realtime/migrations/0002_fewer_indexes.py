"""Of each event that is written, two of four indexes were the beginning of its primary key."""

import django.db.models.deletion
from django.db import migrations, models

from realtime.indexes import DropIndexesMeanwhile


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("realtime", "0001_squashed_0006")]

    operations = [
        migrations.SeparateDatabaseAndState(
            # Django would also make the foreign key anew, and check all rows meanwhile.
            state_operations=[
                migrations.AlterField(
                    model_name="loggedevent",
                    name="topic",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="realtime.topic",
                    ),
                ),
            ],
        ),
        DropIndexesMeanwhile(
            ("realtime_loggedevent", "topic_id"), ("realtime_topic", "name"), ("realtime_audience", "topic_id")
        ),
    ]
