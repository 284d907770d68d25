"""What holds for every dialect and every recorded run."""

from __future__ import annotations

import json

import pytest

from orchestration.dialects.table import DIALECTS, dialect_for
from taskmapr.core.run_state import fold
from tests.recorded.logs import RUNS, frame_row, frames_of, golden, numbered, recorded, row_of

pytestmark = pytest.mark.parametrize("name", sorted(RUNS))
each_dialect = pytest.mark.parametrize("dialect", sorted(DIALECTS))


def test_the_recording_is_up_to_date(name):
    events = recorded(name)
    again = numbered(RUNS[name](), events[0].run_id)

    assert list(map(row_of, events)) == [json.loads(json.dumps(row_of(e))) for e in again]


@pytest.mark.req("OV-02")
def test_the_log_is_legal_and_final(name):
    state = fold(recorded(name))

    assert state.is_final
    assert state.seq == len(recorded(name))


@pytest.mark.req("OV-18")
@each_dialect
def test_the_frames_are_the_golden_ones(name, dialect):
    events = recorded(name)
    frames = frames_of(events, dialect, events[0].run_id)

    # Compared as text, because the order of keys is part of the contract.
    assert [json.dumps(frame_row(f)) for f in frames] == list(
        map(json.dumps, golden(name, dialect))
    )


@pytest.mark.req("OV-22")
@each_dialect
def test_a_reader_who_comes_back_gets_the_same_tail(name, dialect):
    events = recorded(name)
    run_id = events[0].run_id
    whole = list(map(frame_row, frames_of(events, dialect, run_id)))
    ids = [row["id"] for row in whole if row["id"]]

    for cursor in range(len(events) + 1):
        again = dialect_for(dialect, run_id)
        again.prime(events[:cursor])
        tail = [frame_row(f) for event in events[cursor:] for f in again.feed(event)]
        seen = [i for i in ids if int(i.rsplit(":", 1)[1]) <= cursor]
        begin = [row["id"] for row in whole].index(seen[-1]) + 1 if seen else 0

        assert tail == whole[begin:]


@pytest.mark.req("IN-28")
@each_dialect
def test_no_frame_tells_where_a_tool_broke(name, dialect):
    events = recorded(name)

    assert "marigold" not in str(frames_of(events, dialect, events[0].run_id))
