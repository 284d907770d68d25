"""What the API document says of answers of workflows."""

from __future__ import annotations

from typing import Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from taskmapr.core import errors
from taskmapr.core.json_schema import any_object, one_of, record, text
from taskmapr.foundation.openapi import answer, described

JOB_RESUME: Final = described(
    "Answer for a workflow",
    tag="Runs",
    parameters=[
        OpenApiParameter("job_id", OpenApiTypes.STR, OpenApiParameter.PATH),
        OpenApiParameter(
            "token",
            OpenApiTypes.STR,
            description="From the `callback_url` that the workflow was given; good for one answer.",
        ),
    ],
    body=any_object(),
    answers={
        200: answer(
            record({"job_id": text(), "status": one_of("resumed")}), "The job goes on with it."
        )
    },
    problems=(errors.JobNotFound, errors.NotAllowed, errors.InvalidSignature),
)
