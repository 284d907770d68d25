"""Files of tasks in S3-compatible storage, over HTTP with a server that speaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage
from django.utils.module_loading import import_string
from moto.server import ThreadedMotoServer
from storages.backends.s3 import S3File

from orchestration.models import Artifact, Run
from orchestration.selectors import health
from orchestration.selectors.artifacts import file_url
from orchestration.services.artifacts import artifact_store, artifacts_expire
from taskmapr.core.errors import Unavailable
from taskmapr.settings.env import Env
from taskmapr.settings.files import artifact_storage_of
from tests.orchestration.api.conftest import Call
from tests.pictures import png
from tests.stack.up_process import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-21", "TQ-22")]


@dataclass
class Bucket:
    """What lies in the bucket, seen by another client; and the storage that is made of settings."""

    client: Any
    storage: Storage

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket="files")
        return [entry["Key"] for entry in listed.get("Contents", [])]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    port = free_port()
    served = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    served.start()
    yield f"http://127.0.0.1:{port}"
    served.stop()


def _storage(address: str) -> Storage:
    values = {
        "TASKMAPR_S3_BUCKET": "files",
        "TASKMAPR_S3_ENDPOINT": address,
        "TASKMAPR_S3_REGION": "us-east-1",
        "TASKMAPR_S3_ACCESS_KEY": "ada",
        "TASKMAPR_S3_SECRET_KEY": "a secret of hers",
        "TASKMAPR_S3_PREFIX": "taskmapr/",
    }
    made = artifact_storage_of(Env(values), Path("/nowhere"))
    storage: Storage = import_string(made["BACKEND"])(**made["OPTIONS"])
    return storage


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    client = boto3.client(
        "s3",
        endpoint_url=server,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
    )
    client.create_bucket(Bucket="files")
    storage = _storage(server)
    monkeypatch.setattr(Artifact._meta.get_field("file"), "storage", storage)
    return Bucket(client, storage)


@pytest.fixture
def away() -> Storage:
    """A bucket where nobody listens, asked once."""
    storage: Any = _storage(f"http://127.0.0.1:{free_port()}")
    storage.client_config = storage.client_config.merge(Config(retries={"total_max_attempts": 1}))
    return cast(Storage, storage)


@pytest.fixture
def url(bucket: Bucket, assign: Callable[..., str]) -> str:
    """The address of a picture that a task took."""
    run = Run.objects.get(pk=assign())
    artifact_store(
        run_id=run.pk, name="one.png", data=png(8, 4), media_type="image/png", role="screenshot"
    )
    return file_url(run.pk, "screenshots", "one.png")


def test_a_file_is_kept_there_and_read_from_there(call: Call, bucket: Bucket, url: str) -> None:
    answer = call("GET", url, user=None)
    part = call("GET", url, user=None, range="bytes=1-3")

    kept = Artifact.objects.get()
    assert bucket.keys() == [f"taskmapr/{kept.run_id}/{kept.pk}"]
    assert (answer.status, answer.body) == (200, png(8, 4))
    assert (part.status, part.body) == (206, png(8, 4)[1:4])


def test_one_that_is_gone_does_not_exist(call: Call, bucket: Bucket, url: str) -> None:
    bucket.client.delete_object(Bucket="files", Key=bucket.keys()[-1])

    assert call("GET", url, user=None).status == 404


def test_while_it_is_away_files_are_asked_for_again(
    call: Call, url: str, away: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Artifact._meta.get_field("file"), "storage", away)

    answer = call("GET", url, user=None)

    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert "127.0.0.1" not in str(answer.json)


def test_one_that_fails_while_the_file_is_fetched_says_so_too(
    call: Call, url: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: Any, **kwargs: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://bucket")

    # The storage asks whether there is the file first, and fetches it when it is read.
    monkeypatch.setattr(S3File, "_get_file", gone)
    monkeypatch.setattr(S3File, "file", property(gone))

    assert call("GET", url, user=None).status == 503


def test_while_it_is_away_nothing_is_kept(
    assign: Callable[..., str], away: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Artifact._meta.get_field("file"), "storage", away)
    run = Run.objects.get(pk=assign())

    with pytest.raises(Unavailable, match="does not answer"):
        artifact_store(run_id=run.pk, name="a.txt", data=b"a", media_type="text/plain")

    assert not Artifact.objects.exists()


def test_after_its_time_it_is_removed(bucket: Bucket, url: str) -> None:
    Artifact.objects.update(expires_at=datetime.now(UTC) - timedelta(days=1))
    before = len(bucket.keys())

    artifacts_expire()

    assert len(bucket.keys()) == before - 1
    assert Artifact.objects.get().erased_at is not None


def test_whether_it_answers_is_known(
    bucket: Bucket, away: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "storages", {"artifacts": bucket.storage})
    assert health._storage()
    monkeypatch.setattr(health, "storages", {"artifacts": away})
    assert not health._storage()


@pytest.mark.parametrize(
    "given",
    [
        {"TASKMAPR_S3_ENDPOINT": "files.example.org"},
        {"TASKMAPR_S3_ACCESS_KEY": "ada"},
        {"TASKMAPR_S3_SECRET_KEY": "hers"},
    ],
)
def test_settings_that_cannot_work_stop_the_start(given: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="TASKMAPR_S3_"):
        artifact_storage_of(Env({"TASKMAPR_S3_BUCKET": "files", **given}), Path("/nowhere"))
