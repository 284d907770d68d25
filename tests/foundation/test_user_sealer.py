import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmapr.core.ports import KeyUnavailable
from taskmapr.foundation.crypto import UserSealer, data_key_new

_TEXT = st.text(st.characters(exclude_categories=("Cs",)))
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXT, inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.req("DP-133")
@given(value=_JSON)
def test_opens_what_it_sealed(value):
    sealer = UserSealer([data_key_new()])
    assert sealer.open(sealer.seal(value)) == value


@given(secret=st.text(alphabet="abcdefghijk", min_size=8))
def test_reveals_nothing_of_the_value(secret):
    assert secret not in UserSealer([data_key_new()]).seal({"prompt": secret})


def test_two_seals_of_one_value_differ():
    sealer = UserSealer([data_key_new()])
    assert sealer.seal("same") != sealer.seal("same")


@pytest.mark.req("DP-133")
def test_a_retired_key_still_reads_and_the_first_one_writes():
    old, new = data_key_new(), data_key_new()
    sealed = UserSealer([old]).seal({"a": 1})
    both = UserSealer([new, old])
    assert both.open(sealed) == {"a": 1}
    assert UserSealer([new]).open(both.seal("fresh")) == "fresh"


def test_another_key_opens_nothing():
    sealed = UserSealer([data_key_new()]).seal("mine")
    with pytest.raises(KeyUnavailable):
        UserSealer([data_key_new()]).open(sealed)


@given(at=st.integers(0, 60), bit=st.integers(0, 7))
def test_altered_content_is_refused(at, bit):
    sealer = UserSealer([data_key_new()])
    sealed = bytearray(sealer.seal("whole").encode())
    sealed[at] ^= 1 << bit
    with pytest.raises(KeyUnavailable):
        sealer.open(sealed.decode("latin-1"))


def test_its_repr_shows_no_key():
    key = data_key_new()
    assert key.decode() not in repr(UserSealer([key]))
