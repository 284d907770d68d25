import pytest
from django import forms
from django.db import connection, models

from taskmapr.foundation.fields import EncryptedTextField
from taskmapr.foundation.resealing import columns_reseal


@pytest.fixture
def vault(db, django_apps_registered):
    """A model with a sealed column, with a table for the length of a test."""
    with connection.schema_editor() as editor:
        editor.create_model(django_apps_registered)
    return django_apps_registered


@pytest.fixture
def django_apps_registered():
    from django.apps import apps

    class Vault(models.Model):
        name = models.CharField(max_length=20, blank=True)
        secret = EncryptedTextField(blank=True)

        class Meta:
            app_label = "foundation"

        def __str__(self) -> str:
            return self.name

    yield Vault
    del apps.all_models["foundation"]["vault"]
    apps.clear_cache()


def _form(vault):
    return forms.modelform_factory(vault, fields=["name", "secret"])


def _stored(row):
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM foundation_vault WHERE id = %s", [row.pk])
        return cursor.fetchone()[0]


@pytest.mark.req("OV-06", "VB-89")
def test_rests_sealed_and_reads_plain(vault):
    row = vault.objects.create(secret="hunter2")
    assert "hunter2" not in _stored(row)
    assert vault.objects.get().secret == "hunter2"


def test_nothing_stays_nothing(vault):
    assert _stored(vault.objects.create()) == ""
    assert vault.objects.get().secret == ""


@pytest.mark.req("OV-06")
def test_a_form_never_shows_it(vault):
    row = vault.objects.create(secret="hunter2")
    page = str(_form(vault)(instance=row))
    assert "hunter2" not in page
    assert _stored(row) not in page
    bound = _form(vault)({"secret": "typed-now"}, instance=row)
    assert "typed-now" not in str(bound)


@pytest.mark.req("OV-06")
def test_the_box_says_what_it_does(vault):
    page = str(_form(vault)())
    assert '<label class="tm-secret" for="id_secret_remove">' in page
    assert 'id="id_secret_remove"> Remove the stored value</label>' in page


@pytest.mark.req("OV-06")
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "hunter2"),
        ({"secret": ""}, "hunter2"),
        ({"secret": "fresh"}, "fresh"),
        ({"secret": "", "secret_remove": "on"}, ""),
    ],
)
def test_an_empty_input_keeps_a_typed_one_replaces_the_box_removes(vault, data, expected):
    row = vault.objects.create(secret="hunter2")
    form = _form(vault)(data, instance=row)
    assert form.is_valid(), form.errors
    form.save()
    assert vault.objects.get().secret == expected


def test_it_cannot_be_searched(vault):
    with pytest.raises(TypeError, match="sealed"):
        vault.objects.filter(secret="hunter2").exists()


def test_without_its_master_key_it_is_empty_and_saving_loses_nothing(vault, settings, caplog):
    first = settings.TASKMAPR_SECRET_KEYS
    vault.objects.create(secret="hunter2")
    settings.TASKMAPR_SECRET_KEYS = ["another"]
    row = vault.objects.get()
    assert row.secret == ""
    assert "master key is missing" in caplog.text
    row.name = "renamed"
    row.save()
    settings.TASKMAPR_SECRET_KEYS = first
    assert (vault.objects.get().name, vault.objects.get().secret) == ("renamed", "hunter2")


@pytest.mark.req("DP-133")
def test_resealing_moves_every_secret_to_the_first_master(vault, settings):
    settings.TASKMAPR_SECRET_KEYS = ["old"]
    row, _ = vault.objects.create(secret="hunter2"), vault.objects.create()
    settings.TASKMAPR_SECRET_KEYS = ["new", "old"]
    assert columns_reseal().done == 1
    settings.TASKMAPR_SECRET_KEYS = ["new"]
    assert vault.objects.get(pk=row.pk).secret == "hunter2"

    settings.TASKMAPR_SECRET_KEYS = ["third"]
    assert (columns_reseal().done, columns_reseal().unreadable) == (0, 1)
