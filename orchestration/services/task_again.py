"""What is left to do of a task that did not succeed, for types that do several things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from taskmapr.core.errors import NotRetryable

Params = Mapping[str, Any]


def params_again(task_type: str, params: Params, result: Any) -> Params:
    """The parameters of another attempt. Raises NotRetryable when nothing is left."""
    rule = _RULES.get(task_type)
    return params if rule is None else rule(params, result)


def _batches_left(params: Params, result: Any) -> Params:
    """Without the batches that were dealt with; those that were never reached are left."""
    outcomes = result.get("batches") if isinstance(result, Mapping) else None
    done = {
        str(batch["batch_id"])
        for batch in outcomes or ()
        if batch["outcome"] not in {"failed", "skipped"}
    }
    left = [batch for batch in params.get("batch_ids", ()) if str(batch) not in done]
    if not left:
        raise NotRetryable("Every batch of this task was dealt with.")
    return {**params, "batch_ids": left}


_RULES: Final[Mapping[str, Callable[[Params, Any], Params]]] = {"approve_batches": _batches_left}
