from __future__ import annotations

import pytest

from orchestration.adapters.redis_standby import RedisStandby
from orchestration.standby.anywhere import cancel_anywhere
from taskmapr.core.errors import AlreadyFinished, RunNotFound
from taskmapr.users.models import User
from tests.orchestration.standby.conftest import Begin, finish


@pytest.mark.req("OV-63")
def test_a_run_that_ended_in_redis_is_over_although_postgres_is_back(
    begin: Begin, ada: User
) -> None:
    run_id = begin().run_id
    finish(run_id)

    with pytest.raises(AlreadyFinished):
        cancel_anywhere(run_id=run_id, user_id=ada.pk, by="ada")


@pytest.mark.req("OV-63")
def test_a_stranger_is_told_of_no_run(begin: Begin, store: RedisStandby, cyd: User) -> None:
    run_id = begin().run_id
    finish(run_id)

    with pytest.raises(RunNotFound):
        cancel_anywhere(run_id=run_id, user_id=cyd.pk, by="cyd")
