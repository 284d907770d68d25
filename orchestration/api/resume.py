"""Where a workflow answers later."""

from __future__ import annotations

import re
from typing import IO, Any, Final
from uuid import UUID

from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestration.api import resume_described as described
from orchestration.services.flow_resume import SignedRequest, flow_resume
from orchestration.services.webhook_secrets import is_signed
from taskmapr.core.errors import JobNotFound, NotAllowed
from taskmapr.foundation.json_bodies import JsonParser

_JOB: Final = re.compile(r"job_[0-9a-f]{32}")
#: No token of ours is longer.
_TOKEN_LENGTH: Final = 200


class TextParser(BaseParser):
    """A text is an answer as well: {text}."""

    media_type = "text/plain"

    def parse(self, stream: IO[Any], *args: Any, **kwargs: Any) -> Any:
        return {"text": stream.read().decode(errors="replace")}


class JobResumeApi(APIView):
    """The token in the address is what admits: no account, no key, no limit by address, since one
    engine answers for everybody. A request that is signed must be signed rightly."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = (JsonParser, TextParser)

    @described.JOB_RESUME
    def post(self, request: Request, job_id: str) -> Response:
        if not _JOB.fullmatch(job_id):
            raise JobNotFound
        token = request.query_params.get("token", "")
        if not 0 < len(token) <= _TOKEN_LENGTH:
            raise NotAllowed("The address must carry the job's token.")
        # Before it is parsed: the signature is made of the bytes.
        raw = request._request.body
        signed = SignedRequest(request.headers, raw) if is_signed(request.headers) else None
        flow_resume(run_id=UUID(hex=job_id[4:]), answer=request.data, token=token, signed=signed)
        return Response({"job_id": job_id, "status": "resumed"})
