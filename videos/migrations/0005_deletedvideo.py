"""Which videos were deleted: their pictures go wherever there still are some."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("videos", "0004_hidden_by_default"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeletedVideo",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("deleted_at", models.DateTimeField(db_default=Now())),
            ],
        ),
    ]
