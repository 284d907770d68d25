"""Tags move into the sealed part and the index of keyed hashes; one of them is asked for in the
clear. Nothing wrote items before this, so the tags of hand-made ones are not carried over."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.conf import settings
from django.db import migrations, models

MARK = "UPDATE memory_memoryitem SET is_preference = true WHERE tags @> '{preference}'"
UNMARK = "UPDATE memory_memoryitem SET tags = '{preference}' WHERE is_preference"


class Migration(migrations.Migration):

    dependencies = [
        ('memory', '0003_embedding_refusal'),
        ('users', '0003_api_keys'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='MemoryOwner',
            fields=[
            ],
            options={
                'verbose_name': 'memory owner',
                'verbose_name_plural': 'memory owners',
                'ordering': ('email',),
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('users.user',),
        ),
        migrations.RemoveIndex(
            model_name='memoryitem',
            name='memory_items_preferences',
        ),
        migrations.RemoveIndex(
            model_name='memoryitem',
            name='memory_items_tags',
        ),
        migrations.AddField(
            model_name='memoryitem',
            name='is_preference',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunSQL(MARK, UNMARK),
        migrations.RemoveField(
            model_name='memoryitem',
            name='tags',
        ),
        migrations.AddField(
            model_name='memoryitem',
            name='embedding_model',
            field=models.CharField(db_default='', default='', max_length=200),
        ),
        migrations.AddField(
            model_name='memoryitem',
            name='embedding_refusal',
            field=models.CharField(db_default='', default='', max_length=300),
        ),
        migrations.AddField(
            model_name='memoryitem',
            name='key_mark',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='memoryitem',
            name='keywords',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, db_default=[], default=list, size=None),
        ),
        migrations.AddIndex(
            model_name='memoryitem',
            index=models.Index(condition=models.Q(('is_preference', True)), fields=['user', '-created_at'], name='memory_items_preferences'),
        ),
        migrations.AddIndex(
            model_name='memoryitem',
            index=django.contrib.postgres.indexes.GinIndex(fastupdate=False, fields=['keywords'], name='memory_items_keywords'),
        ),
        migrations.AddIndex(
            model_name='memoryitem',
            index=models.Index(fields=['embedding_model', 'user'], name='memory_items_embedded'),
        ),
    ]
