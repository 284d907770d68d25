"""The SQL of memory items. Made of constants; what people wrote or ask is bound as parameters."""

from __future__ import annotations

from typing import Final

#: Whether the owner's row of keys is the one that a process has unwrapped. Parameters: `user`,
#: `wrapped`, `retired`.
KEY_IS_CURRENT: Final = (
    "FROM users_datakey WHERE user_id = %(user)s::uuid AND wrapped = %(wrapped)s"
    " AND retired = %(retired)s::jsonb"
)

#: Gives no row when the key is not current. Times are the database's.
WRITE: Final = f"""
INSERT INTO memory_memoryitem
  (id, user_id, namespace, sealed, size_bytes, keywords, key_mark, is_preference, source_run_id,
   expires_at, created_at, updated_at)
SELECT %(id)s::uuid, %(user)s::uuid, %(namespace)s, %(sealed)s, %(size)s::int,
  %(keywords)s::bigint[], %(mark)s::bigint, %(is_preference)s::bool, %(run)s::uuid,
  statement_timestamp() + make_interval(secs => %(ttl)s::float8),
  statement_timestamp(), statement_timestamp()
{KEY_IS_CURRENT}
RETURNING created_at, expires_at"""

#: An item that its owner may still read.
_UNEXPIRED: Final = "(i.expires_at IS NULL OR i.expires_at > statement_timestamp())"
LIVING: Final = f"i.user_id = %(user)s::uuid AND {_UNEXPIRED}"
#: The same, written so that no index is asked for the owner.
_LIVING_BY_ROW: Final = f"i.user_id IS NOT DISTINCT FROM %(user)s::uuid AND {_UNEXPIRED}"

#: What is worth 1 in total is shared by the lists: a place's worth is 1 / (_FUSION + place).
_FUSION: Final = 60
#: Items of each list that are joined with the other one.
_JOINED: Final = 100


def search_statement(*, by_words: bool, by_meaning: bool, filters: str) -> str:
    """One statement that ranks an owner's items.

    filters: further conditions on `i`, beginning with AND, or empty. Parameters: those of
    KEY_IS_CURRENT and LIVING, `limit`; by words `hashes` and `words` (the number of the word that
    each hash stands for), `asked` (how many words); by meaning `vector` (as text) and `model`.

    Columns: id, sealed, created_at, score, likeness, share. `score` is 1 for what is first in
    every list; equals share a place, and the newer comes first. `likeness` is the cosine of the
    angle to the question, null without a vector. `share` is the part of the question's weight whose
    words are in the item; a word weighs ln(1 + n / d), when the owner has n items and d of those
    that could be found have it. Gives one row of nulls when nothing was found, and none when the
    key is not current.
    """
    lists = [_BY_WORDS] * by_words + [_BY_MEANING] * by_meaning
    both = by_words and by_meaning
    found = _FOUND_BY_BOTH if both else _FOUND_BY_WORDS if by_words else _FOUND_BY_MEANING
    likeness = _LIKENESS if by_meaning else "NULL::float8"
    share = "coalesce(w.share, 0)" if both else "f.share" if by_words else "NULL"
    joined = "LEFT JOIN weighed w ON w.id = i.id" if both else ""
    return f"""
WITH {", ".join(part.replace(_FILTERS, filters) for part in lists)}, found AS ({found}),
told AS (
  SELECT i.id, i.sealed, i.created_at, f.score::float8 AS score, {likeness} AS likeness,
    {share}::float8 AS share
  FROM found f JOIN memory_memoryitem i ON i.id = f.id {joined}
  ORDER BY f.score DESC, i.created_at DESC, i.id DESC LIMIT %(limit)s
)
SELECT told.* FROM (SELECT 1 {KEY_IS_CURRENT}) AS key LEFT JOIN told ON true
ORDER BY told.score DESC, told.created_at DESC, told.id DESC"""  # noqa: S608 - made of constants


_FILTERS: Final = "<filters>"

# A hash belongs to one owner's key, so the index of hashes finds one owner's items by itself. Whose
# they are is looked at in each row found, instead of reading an index of owners for each word.
_BY_WORDS: Final = f"""
hits AS MATERIALIZED (
  SELECT i.id, a.word
  FROM unnest(%(hashes)s::bigint[], %(words)s::int[]) AS a(hash, word)
  JOIN memory_memoryitem i ON i.keywords @> ARRAY[a.hash]
  WHERE {_LIVING_BY_ROW} {_FILTERS}
), all_items AS (
  SELECT greatest(count(*), 1)::float8 AS n FROM memory_memoryitem WHERE user_id = %(user)s::uuid
), weights AS (
  SELECT word, ln(1 + (SELECT n FROM all_items) / count(hits.id))::float8 AS weight
  FROM hits GROUP BY word
), whole AS (
  SELECT coalesce(sum(weight), 0)
    + (%(asked)s::int - count(*)) * ln(1 + (SELECT n FROM all_items)) AS weight
  FROM weights
), weighed AS MATERIALIZED (
  SELECT hits.id, sum(weight) / (SELECT weight FROM whole) AS share
  FROM hits JOIN weights USING (word) GROUP BY hits.id
), by_words AS (
  SELECT id, share, rank() OVER (ORDER BY share DESC) AS place
  FROM weighed ORDER BY share DESC, id DESC LIMIT {_JOINED}
)"""  # noqa: S608 - made of constants

#: Every vector of the owner is measured: people's memories are small, and an index over everybody's
#: vectors would first find other people's.
_BY_MEANING: Final = f"""
near AS (
  SELECT i.id, i.embedding <=> %(vector)s::vector AS distance FROM memory_memoryitem i
  WHERE i.embedding_model = %(model)s AND i.embedding IS NOT NULL AND {LIVING} {_FILTERS}
  ORDER BY distance, i.id DESC LIMIT {_JOINED}
), by_meaning AS (
  SELECT id, rank() OVER (ORDER BY distance) AS place FROM near
)"""  # noqa: S608 - made of constants

_WORTH: Final = f"coalesce({_FUSION + 1}.0 / ({_FUSION} + {{0}}.place), 0)"
_FOUND_BY_WORDS: Final = f"SELECT id, share, {_WORTH.format('by_words')} AS score FROM by_words"  # noqa: S608
_FOUND_BY_MEANING: Final = f"SELECT id, {_WORTH.format('by_meaning')} AS score FROM by_meaning"  # noqa: S608
_FOUND_BY_BOTH: Final = (
    f"SELECT id, ({_WORTH.format('by_words')} + {_WORTH.format('by_meaning')}) / 2 AS score"  # noqa: S608
    " FROM by_words FULL JOIN by_meaning USING (id)"
)
_LIKENESS: Final = (
    "CASE WHEN i.embedding_model = %(model)s THEN 1 - (i.embedding <=> %(vector)s::vector) END"
)
