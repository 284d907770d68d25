"""The SQL of a search. Made of constants; what people ask is bound as parameters.

Parameters: `ids` (collections, null for all), `exact`, `all`, `any` (the question as three text
queries), `count` (documents wanted); with meaning also `vector` (as text) and `model`.
"""

from __future__ import annotations

from functools import cache
from math import ceil
from typing import Final

from memory.models.knowledge import TEXT_SEARCH
from taskmapr.core.ports import EMBEDDING_DIMENSIONS

#: Pieces that are ranked when a question's words are everywhere: bounds the time of a search.
_RANKED: Final = 500
#: Documents of each list that are joined with the other one.
_JOINED: Final = 40
#: Of reciprocal rank fusion: what a place is worth is 1 / (_FUSION + place).
_FUSION: Final = 60

#: The index of meanings finds all `looked_through` at once, instead of in rounds that each begin
#: from above; it looks on when some of these cannot be used.
FAR_ENOUGH: Final = (
    "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),"
    " set_config('hnsw.ef_search', %(looked_through)s::text, true)"
)

#: The planner's estimate of the part of all pieces that lies in these collections, 0 to 1; 0 before
#: the table was first analyzed. Counting would cost more than it is worth, and grow.
SHARE: Final = """
SELECT coalesce(sum(part), 0)::float8
FROM pg_stats, unnest(most_common_vals::text::bigint[], most_common_freqs) AS common(id, part)
WHERE schemaname = current_schema() AND tablename = 'knowledge_chunks'
  AND attname = 'collection_id' AND id = ANY(%(ids)s::bigint[])"""

_VISIBLE: Final = "(%(ids)s::bigint[] IS NULL OR collection_id = ANY(%(ids)s::bigint[]))"

# Words: pieces with all of them come first, and of these the ones with all in their exact form;
# pieces with any of them are only looked for when those are too few. Each list is one document a
# row. Every subselect that ranks is bounded before it ranks.
_BY_WORDS: Final = f"""
strict AS MATERIALIZED (
  SELECT id, document_id, search @@ websearch_to_tsquery('{TEXT_SEARCH}', %(exact)s) AS is_exact,
         ts_rank_cd(search, to_tsquery('{TEXT_SEARCH}', %(all)s)) AS rank
  FROM (SELECT id, document_id, search FROM knowledge_chunks
        WHERE search @@ to_tsquery('{TEXT_SEARCH}', %(all)s) AND {_VISIBLE}
        LIMIT {_RANKED}) AS pieces
), loose AS (
  SELECT id, document_id, ts_rank_cd(search, to_tsquery('{TEXT_SEARCH}', %(any)s)) AS rank
  FROM (SELECT id, document_id, search FROM knowledge_chunks
        WHERE (SELECT count(DISTINCT document_id) FROM strict) < %(count)s
          AND search @@ to_tsquery('{TEXT_SEARCH}', %(any)s) AND {_VISIBLE}
        LIMIT {_RANKED}) AS pieces
), best AS (
  SELECT DISTINCT ON (document_id) * FROM (
    SELECT id, document_id, 1 + is_exact::int AS tier, rank FROM strict
    UNION ALL SELECT id, document_id, 0, rank FROM loose) AS pieces
  ORDER BY document_id, tier DESC, rank DESC, id
), by_words AS (
  SELECT id, document_id, row_number() OVER (ORDER BY tier DESC, rank DESC, document_id) AS place
  FROM best ORDER BY place LIMIT {_JOINED}
)"""  # noqa: S608 - made of constants

_HALF: Final = f"halfvec({EMBEDDING_DIMENSIONS})"
#: The nearest of all pieces are found first and then looked through for visible ones: a filter
#: inside would have the planner measure every piece instead of asking the index.
_STEP: Final = 40
MOST_LOOKED_THROUGH: Final = 6 * _STEP
#: Visible pieces that are looked for, for each document wanted: several may be of one document.
_PIECES: Final = 4
_NEAREST: Final = f"""
SELECT id, document_id, collection_id, embedding::{_HALF} <=> %(vector)s::{_HALF} AS distance
  FROM knowledge_chunks WHERE embedding_model = %(model)s AND embedding IS NOT NULL"""  # noqa: S608 - made of constants
_IN_ORDER: Final = f"ORDER BY embedding::{_HALF} <=> %(vector)s::{_HALF}"
_NEAR_MANY: Final = f"""
  SELECT * FROM ({_NEAREST} {_IN_ORDER} LIMIT <looked through>) AS pieces
  WHERE {_VISIBLE} ORDER BY distance LIMIT {2 * _JOINED}"""  # noqa: S608 - made of constants
_NEAR_FEW: Final = f"{_NEAREST} AND {_VISIBLE} {_IN_ORDER} LIMIT {2 * _JOINED}"

_BY_MEANING: Final = f"""
near AS ({_NEAR_MANY}
), nearest AS (
  SELECT DISTINCT ON (document_id) * FROM near ORDER BY document_id, distance, id
), by_meaning AS (
  SELECT id, document_id, row_number() OVER (ORDER BY distance, document_id) AS place
  FROM nearest ORDER BY place LIMIT {_JOINED}
)"""  # noqa: S608 - made of constants

_TOLD: Final = """
SELECT c.name, d.path, d.title, k.text, f.score::float8
FROM found AS f
JOIN knowledge_chunks AS k ON k.id = f.id
JOIN knowledge_documents AS d ON d.id = k.document_id
JOIN knowledge_collections AS c ON c.id = d.collection_id
WHERE c.problem = ''
ORDER BY f.score DESC, c.name, d.path LIMIT %(count)s"""

#: A place's worth, so that first in every list makes 1.
_WORTH: Final = f"coalesce({_FUSION + 1}.0 / ({_FUSION} + {{0}}.place), 0)"

WORDS: Final = f"""
WITH {_BY_WORDS}, found AS (
  SELECT id, {_WORTH.format("by_words")} AS score FROM by_words
){_TOLD}"""  # noqa: S608 - made of constants

_BOTH: Final = f"""
WITH {_BY_WORDS}, {_BY_MEANING}, found AS (
  SELECT coalesce(by_words.id, by_meaning.id) AS id,
         ({_WORTH.format("by_words")} + {_WORTH.format("by_meaning")}) / 2 AS score
  FROM by_words FULL JOIN by_meaning USING (document_id)
){_TOLD}"""  # noqa: S608 - made of constants

#: For few pieces: measuring each is quicker than looking for them among all others.
BOTH_FEW: Final = _BOTH.replace(_NEAR_MANY, _NEAR_FEW)


@cache
def both_statement(looked_through: int) -> str:
    """For many pieces. looked_through: as `looked_through_for` gives it; a constant of the
    statement, because the planner must know how few are wanted."""
    return _BOTH.replace("<looked through>", str(looked_through))


def looked_through_for(*, count: int, share: float) -> int:
    """How many of the nearest of all pieces to look through for `count` visible documents.

    share: the part of the pieces that is visible; 0: unknown. A multiple of 40, at most
    MOST_LOOKED_THROUGH: what the index costs grows with it.
    """
    if share <= 0:
        return MOST_LOOKED_THROUGH
    steps = ceil(_PIECES * count / share / _STEP - 1e-9)
    return min(max(steps, 1) * _STEP, MOST_LOOKED_THROUGH)
