from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("videos", "0006_captions"),
    ]

    operations = [
        migrations.AddField(
            model_name="video",
            name="source",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="RTSP or HLS, at an origin of LIVE_PULL_ORIGINS; empty: an encoder sends.",
                max_length=300,
                verbose_name="address to fetch from",
            ),
        ),
    ]
