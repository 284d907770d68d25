"""The body of an order: read strictly, so that a slip does not become a task."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from orchestration.services.task_assign import PRIORITY, Order
from taskmapr.core.errors import InvalidInput


def _text(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError("must be an ISO 8601 time with an offset")
    return value


_Moment = Annotated[AwareDatetime, Field(strict=False)]


class _Body(BaseModel):
    """Members that are null are as good as absent; others than these are passed over, and said."""

    model_config = ConfigDict(strict=True, extra="ignore")

    task_type: str = Field(min_length=1, max_length=200)
    params: dict[str, Any] | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    timeout_s: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    max_retries: Annotated[int, Field(ge=0)] | None = None
    eta: Annotated[_Moment | None, BeforeValidator(_text)] = None
    callback_url: str | None = None
    idempotency_key: Annotated[str, Field(pattern=r"^[!-~]{1,255}$")] | None = None


def passed_over(body: Any) -> list[str]:
    """A sentence for each member of a checked order that means nothing, ten at most: `parameters`
    would be a task with what its type has when nothing is given."""
    odd = [name for name in body if name not in _Body.model_fields]
    return [f"{name[:64]!r} is no member of an order and was passed over." for name in odd[:10]]


def order_of(body: Any, *, idempotency_key: str | None) -> Order:
    """idempotency_key: of the header, which wins. Raises InvalidInput with the paths of members."""
    if not isinstance(body, dict):
        raise InvalidInput.of(("body", "must be an object"))
    try:
        given = _Body.model_validate(body)
    except ValidationError as error:
        raise InvalidInput.of(
            *((".".join(map(str, e["loc"])) or "body", e["msg"]) for e in error.errors()[:10])
        ) from None
    return Order(
        task_type=given.task_type,
        params=given.params or {},
        priority=PRIORITY if given.priority is None else given.priority,
        timeout_s=given.timeout_s,
        max_retries=given.max_retries,
        eta=given.eta,
        callback_url=given.callback_url or None,
        idempotency_key=idempotency_key or given.idempotency_key,
    )
