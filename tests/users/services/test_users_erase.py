import pytest
from django.db import IntegrityError

from taskmapr.users.models import DataKey, User
from taskmapr.users.services import erasure
from taskmapr.users.services.accounts import user_activate, user_delete
from taskmapr.users.services.erasure import eraser_register, users_erase
from taskmapr.users.services.sign_ins import tokens_issue

pytestmark = [pytest.mark.django_db, pytest.mark.req("VB-10")]


@pytest.fixture(autouse=True)
def _no_erasers(monkeypatch):
    monkeypatch.setattr(erasure, "_erasers", {})


def test_every_app_erases_then_the_account_goes(ada, cyd):
    seen = []
    eraser_register("runs", lambda *, user_id: seen.append(("runs", user_id)) or {"runs": 3})
    eraser_register("notes", lambda *, user_id: seen.append(("notes", user_id)) or {"notes": 2})
    tokens_issue(user_id=ada.pk)
    user_delete(user_id=ada.pk)
    assert users_erase() == {"runs": 3, "notes": 2, "users": 1}
    assert seen == [("runs", ada.pk), ("notes", ada.pk)]
    assert list(User.objects.all()) == [cyd]
    assert not DataKey.objects.exists()
    assert users_erase() == {}


def test_a_job_that_was_cut_off_goes_on(ada):
    user_delete(user_id=ada.pk)

    def fails(*, user_id):
        raise ConnectionError

    eraser_register("runs", fails)
    with pytest.raises(ConnectionError):
        users_erase()
    assert User.objects.filter(pk=ada.pk).exists()
    eraser_register("runs", lambda *, user_id: {})
    assert users_erase() == {"users": 1}


def test_who_did_not_ask_is_never_erased(ada):
    assert users_erase() == {}
    assert User.objects.filter(pk=ada.pk).exists()


def test_a_deleted_account_cannot_be_opened_again(ada):
    from taskmapr.core.errors import NotFound

    user_delete(user_id=ada.pk)
    with pytest.raises(NotFound):
        user_activate(user_id=ada.pk)


def test_one_account_that_cannot_go_yet_does_not_stop_the_others(ada, cyd, caplog):
    def refuses_ada(*, user_id):
        if user_id == ada.pk:
            raise IntegrityError("something still refers to it")
        return {}

    eraser_register("runs", refuses_ada)
    user_delete(user_id=ada.pk)
    user_delete(user_id=cyd.pk)
    assert users_erase() == {"users": 1}
    assert list(User.objects.all()) == [ada]
    assert str(ada.pk) in caplog.text
