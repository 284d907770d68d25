"""Where files of runs lie: a folder, or a bucket of S3-compatible storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.env import Env


def artifact_storage_of(env: Env, data_dir: Path) -> dict[str, Any]:
    """The storage named `artifacts`: in TASKMAPR_S3_BUCKET if that is set, else in RESULTS_DIR.

    Never served as static files: a view checks who asks.
    """
    if not (bucket := env.text("TASKMAPR_S3_BUCKET")):
        folder = Path(env.text("RESULTS_DIR", str(data_dir / "artifacts"))).resolve()
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": folder},
        }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _bucket(env, bucket)}


def _bucket(env: Env, bucket: str) -> dict[str, Any]:
    # Only here, because it is needed only here.
    from botocore.config import Config

    endpoint = env.text("TASKMAPR_S3_ENDPOINT")
    if endpoint and not endpoint.startswith(("https://", "http://")):
        raise ImproperlyConfigured("TASKMAPR_S3_ENDPOINT must begin with https:// or http://")
    given = env.text("TASKMAPR_S3_ACCESS_KEY"), env.text("TASKMAPR_S3_SECRET_KEY")
    if any(given) != all(given):
        raise ImproperlyConfigured(
            "TASKMAPR_S3_ACCESS_KEY and TASKMAPR_S3_SECRET_KEY belong together."
        )
    return {
        "bucket_name": bucket,
        "location": env.text("TASKMAPR_S3_PREFIX").strip("/"),
        "endpoint_url": endpoint or None,
        "region_name": env.text("TASKMAPR_S3_REGION") or None,
        # Without them: what the machine itself may do there.
        "access_key": given[0] or None,
        "secret_key": given[1] or None,
        # The bucket says who may read; addresses of files are ours and signed by us.
        "default_acl": None,
        # Names are made of ids and never come again.
        "file_overwrite": True,
        "client_config": Config(
            signature_version="s3v4",
            # Servers of one's own seldom have a name for each bucket.
            s3={"addressing_style": "path" if endpoint else "auto"},
            # Not every server knows the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=20,
            retries={"total_max_attempts": 3},
        ),
    }
