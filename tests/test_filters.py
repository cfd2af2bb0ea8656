"""Filters on attributes: one expression, and known names in it."""

from __future__ import annotations

import pytest

from shakeslide.core.errors import InputError
from shakeslide.study import filters


@pytest.mark.parametrize(
    "where",
    [
        "year = 2005",
        "year IN (2005, 2006)",
        "year IN (" + ", ".join(map(str, range(10_000))) + ")",
        "NOT (year = 2005) AND (name LIKE 'a%' OR name IS NULL)",
        "name = 'it''s; -- ('",
        '"limit" = 3 AND [a b] > 2 AND `c d` < 1',
        "CAST(year AS character(4)) = '2005'",
        "lower(name) = 'a' AND ST_Area(geom) > 900",
        "CASE WHEN (a = 1) THEN (2) ELSE (3) END",
        "name LIKE '%a%a%a%a%'",
        '"randomblob" IN (1) AND [zeroblob] NOT IN (2)',
        "(" * 30 + "year" + ")" * 30,
        "gr\u00f6\u00dfe BETWEEN (1) AND 2",
    ],
    ids=range(13),
)
def test_an_expression_is_a_filter(where: str) -> None:
    assert filters.checked(where) == where


@pytest.mark.parametrize(
    ("where", "word"),
    [
        ("1=1; DROP TABLE x", ";"),
        ("year = 2005 -- or not", "--"),
        ("year = 2005 /* or */", "/*"),
        ("year IN (SELECT 2005)", "SELECT"),
        ("year IN (WITH RECURSIVE c(x) AS (SELECT 1) SELECT x FROM c)", "WITH"),
        ("1=1) UNION ALL (1=1", "brackets"),
        ("(1=1) UNION ALL (1=1)", "UNION"),
        ("year = 2005 LIMIT 1", "LIMIT"),
        ("year = (2005", "brackets"),
        ("(" * 31 + "year" + ")" * 31, "brackets"),
        ("name = 'it's'", "quote"),
        ('"name = 3', "quote"),
        ("randomblob(1000000000) = 1", "randomblob"),
        ('"randomblob"(1000000000) = 1', "randomblob"),
        ("[randomblob] (1000000000) = 1", "randomblob"),
        ("name LIKE '%a%a%a%a%a%b'", "wildcards"),
        (" ", "empty"),
        ("y" * 100_001, "characters"),
    ],
    ids=range(18),
)
def test_more_than_an_expression_is_refused(where: str, word: str) -> None:
    with pytest.raises(ValueError, match=r"has|holds|calls|is empty") as caught:
        filters.checked(where)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 400


def test_names_in_double_quotes_are_columns() -> None:
    filters.require_names('"Year" = 1 AND "fid" > 2', ["year"], ["fid"], "a.gpkg")
    filters.require_names('"5"" wide" = 1', ['5" wide'], [], "a.gpkg")
    filters.require_names('"year" = \'"yaer"\'', ["year"], [], "a.gpkg")
    with pytest.raises(InputError, match=r"a\.gpkg: has no column \"yaer\".*Did you mean 'year'"):
        filters.require_names('"yaer" <> 2005', ["year"], ["fid"], "a.gpkg")
