from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_triggers")]

    operations = [
        migrations.AddField(
            model_name="viewer",
            name="picture",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
