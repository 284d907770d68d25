"""The embedded servers, as the harness uses them."""

import asyncio

import pytest
import redis
from django.contrib.contenttypes.models import ContentType
from django.db import connection


@pytest.mark.req("OV-10")
@pytest.mark.django_db
def test_the_database_is_postgresql_18_with_pgvector() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
        assert cursor.fetchone() == (18,)
        cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize("round_", [1, 2])
@pytest.mark.django_db
async def test_rows_written_in_a_coroutine_test_are_rolled_back(round_: int) -> None:
    assert not await ContentType.objects.filter(app_label="harness").aexists()
    await ContentType.objects.acreate(app_label="harness", model=f"round{round_}")
    await asyncio.sleep(0)
    assert await ContentType.objects.filter(app_label="harness").acount() == 1


@pytest.mark.parametrize("round_", [1, 2])
def test_redis_is_empty_when_a_test_begins(redis_url: str, round_: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "over")
