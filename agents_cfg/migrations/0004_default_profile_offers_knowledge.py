from django.db import migrations

BEFORE = ["ui.navigate", "ui.highlight", "ui.scroll_to", "ui.start_walkthrough", "ui.custom"]
AFTER = [*BEFORE, "knowledge.*"]


def change(apps, was, becomes):
    profiles = apps.get_model("agents_cfg", "OverlayProfile").objects
    for profile in profiles.filter(is_default=True, tools=was):
        profile.tools = becomes
        profile.version += 1
        profile.save(update_fields=["tools", "version"])


def offer(apps, schema_editor):
    change(apps, BEFORE, AFTER)


def withdraw(apps, schema_editor):
    change(apps, AFTER, BEFORE)


class Migration(migrations.Migration):

    dependencies = [
        ('agents_cfg', '0003_overlay_profile_knowledge_and_limits'),
    ]

    operations = [
        migrations.RunPython(offer, withdraw),
    ]
