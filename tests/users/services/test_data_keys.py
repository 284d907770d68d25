from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from taskmapr.core.errors import Conflict
from taskmapr.core.ports import KeyUnavailable
from taskmapr.users.models import DataKey, User
from taskmapr.users.services import data_keys
from taskmapr.users.services.data_keys import (
    DataKeySealers,
    data_key_destroy,
    data_key_ensure,
    data_key_rotate,
    data_keys_rewrap,
)

pytestmark = [pytest.mark.django_db, pytest.mark.req("DP-133")]
sealers = DataKeySealers()


def test_an_older_account_gets_its_key_when_it_is_first_needed(ada):
    assert not DataKey.objects.exists()
    sealed = sealers.for_user(ada.pk).seal({"a": 1})
    assert sealers.for_user(ada.pk).open(sealed) == {"a": 1}
    assert DataKey.objects.count() == 1


def test_nothing_in_the_row_opens_the_content(ada, settings):
    sealed = sealers.for_user(ada.pk).seal("secret")
    settings.TASKMAPR_SECRET_KEYS = ["of-a-thief-who-only-has-the-database"]
    with pytest.raises(KeyUnavailable):
        sealers.for_user(ada.pk).open(sealed)


def test_one_users_key_does_not_open_anothers_content(ada, cyd):
    sealed = sealers.for_user(ada.pk).seal("mine")
    with pytest.raises(KeyUnavailable):
        sealers.for_user(cyd.pk).open(sealed)


def test_an_unknown_user_has_no_key():
    with pytest.raises(KeyUnavailable):
        sealers.for_user(uuid4())


def test_after_a_rotation_old_content_reads_and_new_content_has_a_new_key(ada):
    old = sealers.for_user(ada.pk)
    sealed = old.seal("before")
    data_key_rotate(user_id=ada.pk)
    new = sealers.for_user(ada.pk)
    assert new.open(sealed) == "before"
    with pytest.raises(KeyUnavailable):
        old.open(new.seal("after"))


def test_a_destroyed_key_opens_nothing_and_is_not_replaced(ada):
    sealers.for_user(ada.pk).seal("gone")
    data_key_rotate(user_id=ada.pk)
    data_key_destroy(user_id=ada.pk)
    row = DataKey.objects.get()
    assert (row.wrapped, row.retired) == ("", [])
    with pytest.raises(KeyUnavailable):
        sealers.for_user(ada.pk)
    with pytest.raises(Conflict):
        data_key_rotate(user_id=ada.pk)
    destroyed_at = row.destroyed_at
    data_key_destroy(user_id=ada.pk)
    assert DataKey.objects.get().destroyed_at == destroyed_at


@pytest.fixture
def sealed_by_five(settings):
    """User id → content sealed under the old master; then a new master comes first."""
    settings.TASKMAPR_SECRET_KEYS = ["old-master"]
    users = [User.objects.create_user(f"{n}@example.org") for n in range(5)]
    data_key_rotate(user_id=users[0].pk)
    sealed = {user.pk: sealers.for_user(user.pk).seal(user.email) for user in users}
    settings.TASKMAPR_SECRET_KEYS = ["new-master", "old-master"]
    return sealed


def _all_open(sealed):
    return all(
        sealers.for_user(pk).open(text).endswith("@example.org") for pk, text in sealed.items()
    )


def test_rotating_the_master_touches_no_content(sealed_by_five, settings):
    assert _all_open(sealed_by_five)
    assert data_keys_rewrap(batch=2).done == 5
    settings.TASKMAPR_SECRET_KEYS = ["new-master"]
    assert _all_open(sealed_by_five)


def test_a_rotation_that_was_cut_off_goes_on(sealed_by_five, monkeypatch):
    from taskmapr.users.services import data_keys

    whole = data_keys._rewrap_batch
    monkeypatch.setattr(
        data_keys,
        "_rewrap_batch",
        lambda **kw: whole(**kw) if kw["after"] is None else (_ for _ in ()).throw(SystemExit),
    )
    with pytest.raises(SystemExit):
        data_keys_rewrap(batch=2)
    monkeypatch.undo()
    assert data_keys_rewrap(batch=2).done == 3
    assert data_keys_rewrap(batch=2).done == 0


def test_the_command_reports_and_fails_while_a_key_stays_unreadable(
    sealed_by_five, settings, capsys
):
    lost = DataKey.objects.order_by("pk").first()
    DataKey.objects.filter(pk=lost.pk).update(wrapped="unreadable")
    with pytest.raises(CommandError, match="1 data keys and 0 rows open with none"):
        call_command("rotate_master_key", batch=2)
    assert "4 data keys wrapped" in capsys.readouterr().out
    assert DataKey.objects.get(pk=lost.pk).wrapped == "unreadable"


def test_destroyed_keys_are_no_work_for_a_rotation(sealed_by_five):
    for pk in sealed_by_five:
        data_key_destroy(user_id=pk)
    assert data_keys_rewrap().done == 0


def test_ensuring_twice_is_ensuring_once(ada):
    assert data_key_ensure(user_id=ada.pk).wrapped == data_key_ensure(user_id=ada.pk).wrapped


def test_a_key_that_is_held_unwrapped_counts_only_while_the_row_says_so(
    ada, monkeypatch, django_assert_num_queries
):
    sealers = DataKeySealers()
    first = sealers.for_user(ada.pk)
    unwrapped = []
    real = data_keys.data_key_unwrap
    monkeypatch.setattr(
        data_keys, "data_key_unwrap", lambda text: unwrapped.append(text) or real(text)
    )

    with django_assert_num_queries(1):
        assert sealers.for_user(ada.pk) is first
    assert unwrapped == []

    data_key_rotate(user_id=ada.pk)
    second = sealers.for_user(ada.pk)
    assert second.open(first.seal("said before")) == "said before"
    with pytest.raises(KeyUnavailable):
        first.open(second.seal("said since"))

    data_key_destroy(user_id=ada.pk)
    with pytest.raises(KeyUnavailable):
        sealers.for_user(ada.pk)
