import pytest
from cryptography.fernet import InvalidToken
from django.core.exceptions import ImproperlyConfigured

from taskmapr.core.ports import KeyUnavailable
from taskmapr.foundation.crypto import (
    data_key_new,
    data_key_unwrap,
    data_key_wrap,
    master_fernet,
    master_fingerprint,
)


@pytest.mark.req("DP-133", "VB-89")
def test_every_secret_reads_and_the_first_one_writes(settings):
    key = data_key_new()
    settings.TASKMAPR_SECRET_KEYS = ["old"]
    by_old = data_key_wrap(key)
    settings.TASKMAPR_SECRET_KEYS = ["new", "old"]
    by_new = data_key_wrap(key)
    assert data_key_unwrap(by_old) == key

    settings.TASKMAPR_SECRET_KEYS = ["new"]
    assert data_key_unwrap(by_new) == key
    with pytest.raises(KeyUnavailable):
        data_key_unwrap(by_old)


@pytest.mark.req("VB-89")
def test_purposes_do_not_share_a_key():
    wrapped = data_key_wrap(data_key_new())
    with pytest.raises(InvalidToken):
        master_fernet("field").decrypt(wrapped)


def test_the_fingerprint_names_the_writing_secret_and_hides_it(settings):
    settings.TASKMAPR_SECRET_KEYS = ["alpha-secret", "beta-secret"]
    alpha = master_fingerprint()
    settings.TASKMAPR_SECRET_KEYS = ["beta-secret", "alpha-secret"]
    assert master_fingerprint() != alpha
    assert len(alpha) == 16
    assert "alpha" not in alpha


def test_nothing_is_sealed_without_a_secret(settings):
    settings.TASKMAPR_SECRET_KEYS = []
    with pytest.raises(ImproperlyConfigured):
        data_key_wrap(data_key_new())
