from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from orchestration.models import Artifact
from orchestration.services.artifacts import (
    RESULT_BYTES,
    artifact_store,
    artifacts_expire,
    result_fitted,
)
from taskmapr.core.errors import InvalidInput
from tests.orchestration.conftest import StartRun
from tests.pictures import png

pytestmark = pytest.mark.django_db


@pytest.mark.req("TQ-20", "TQ-21")
def test_keeps_the_bytes_and_tells_of_them(start: StartRun, artifact_folder: Path) -> None:
    run = start()
    picture = png(1280, 800)

    told = artifact_store(
        run_id=run.pk,
        name="batch-1-success.png",
        data=picture,
        media_type="image/png",
        role="screenshot",
        label="success",
    )

    row = Artifact.objects.get()
    assert row.file.read() == picture
    assert (told.name, told.size_bytes) == ("batch-1-success.png", len(picture))
    assert (told.width, told.height, told.label) == (1280, 800, "success")
    assert told.sha256 == row.sha256 == hashlib.sha256(picture).hexdigest()
    assert told.artifact_id == str(row.pk)
    assert [p.name for p in artifact_folder.rglob("*") if p.is_file()] == [str(row.pk)]


def test_takes_a_file_by_its_path(start: StartRun, artifact_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "report.csv"
    source.write_text("a,b\n1,2\n")

    told = artifact_store(run_id=start().pk, name="report.csv", data=source, media_type="text/csv")

    assert (told.size_bytes, told.width, told.role) == (8, None, "download")
    assert Artifact.objects.get().file.read() == b"a,b\n1,2\n"


def test_a_taken_name_gets_a_number(start: StartRun, artifact_folder: Path) -> None:
    run = start()

    names = [
        artifact_store(run_id=run.pk, name="a.png", data=b"x", media_type="image/png").name
        for _ in range(3)
    ]

    assert names == ["a.png", "a-2.png", "a-3.png"]


@pytest.mark.django_db(transaction=True)
def test_names_stay_apart_when_several_store_at_once(
    start: StartRun, artifact_folder: Path
) -> None:
    run = start()

    def store(_: int) -> str:
        try:
            return artifact_store(
                run_id=run.pk, name="a.txt", data=b"x", media_type="text/plain"
            ).name
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        names = sorted(pool.map(store, range(4)))

    assert names == ["a-2.txt", "a-3.txt", "a-4.txt", "a.txt"]


@pytest.mark.req("TQ-21")
@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "a\\b", "a\x00b", "a\nb", "x" * 201]
)
def test_refuses_a_name_that_is_no_file_name(
    start: StartRun, artifact_folder: Path, name: str
) -> None:
    run = start()

    with pytest.raises(InvalidInput):
        artifact_store(run_id=run.pk, name=name, data=b"x", media_type="text/plain")

    assert not Artifact.objects.exists()
    assert not artifact_folder.exists()


@pytest.mark.req("TQ-23")
def test_a_large_result_becomes_a_file(start: StartRun, artifact_folder: Path) -> None:
    run = start()
    fits = {"rows": "x" * (RESULT_BYTES - len('{"rows":""}'))}
    too_large = {"rows": fits["rows"] + "x"}

    assert result_fitted(run_id=run.pk, value=fits) == (fits, None)
    value, stored = result_fitted(run_id=run.pk, value=too_large)

    assert value == {"truncated": True}
    assert stored is not None
    assert (stored.name, stored.size_bytes) == ("result.json", RESULT_BYTES + 1)


@pytest.mark.req("TQ-22")
def test_bytes_go_after_their_time_and_the_row_stays(
    start: StartRun, artifact_folder: Path
) -> None:
    run = start()
    for name in ("old.txt", "new.txt"):
        artifact_store(run_id=run.pk, name=name, data=b"x", media_type="text/plain")
    in_a_week = datetime.now(UTC) + timedelta(days=7)
    assert abs(Artifact.objects.get(name="new.txt").expires_at - in_a_week) < timedelta(minutes=1)
    Artifact.objects.filter(name="old.txt").update(expires_at=datetime.now(UTC))

    assert artifacts_expire() == 1
    assert artifacts_expire() == 0

    gone = Artifact.objects.get(name="old.txt")
    assert gone.erased_at is not None
    assert not gone.file
    kept = [p.name for p in artifact_folder.rglob("*") if p.is_file()]
    assert kept == [str(Artifact.objects.get(name="new.txt").pk)]
