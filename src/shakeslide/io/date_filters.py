"""Dates in filters: compared as moments, which as texts come in another order.

A filter compares texts letter by letter, so that '2005-9-30' comes after '2005-10-08'. Where a
column and what it is compared with are dates, both are written in one form first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from shakeslide.core.errors import InputError, shortened
from shakeslide.io import dates
from shakeslide.study import filters
from shakeslide.study.filters import Comparison

DATE = re.compile(
    r"^\s*(\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([T ].*)?)$"
)
"""What is a date, the year first or last."""
PLAIN = re.compile(r"^\d{4}-\d{2}-\d{2}$")
"""Dates that come in the same order as texts."""
EQUAL = ("=", "==", "<>", "!=", "in")


def may_be_dates(comparison: Comparison, kind: str) -> bool:
    """Return whether a comparison may be one of dates, by its values and its column's type.

    Parameters
    ----------
    comparison : Comparison
        A column and what it is compared with.
    kind : str
        Type of the column in NumPy's terms; "object" is text.
    """
    if any(DATE.match(text) for text in comparison.texts.values()):
        return True
    ordered = comparison.operator not in EQUAL
    return kind.startswith(("object", "datetime")) and (ordered or bool(comparison.numbers))


def written_alike(
    where: str, table: pd.DataFrame, source: str
) -> tuple[str, Mapping[str, pd.Series]]:
    """Return a filter and columns of dates in one form, none where the filter holds as it is.

    Parameters
    ----------
    where : str
        The filter.
    table : DataFrame
        Columns of the file, those at least that the filter compares.
    source : str
        File and layer, for messages.

    Raises
    ------
    InputError
        A column of dates is compared with what is not a date, or a column of numbers with a date;
        dates that begin with day or month.
    """
    known = {str(name).lower(): str(name) for name in table.columns}
    found = [
        replace(c, column=known[c.column.lower()])
        for c in filters.comparisons(where)
        if c.column.lower() in known
    ]
    pairs = [c for c in found if _compares_dates(c, table[c.column], source)]
    alike = {c.column: _in_one_form(table[c.column], c.column, source) for c in pairs}
    texts = {
        span: _in_one_form(pd.Series([text]), c.column, f"{source}, where").iloc[0]
        for c in pairs
        for span, text in c.texts.items()
    }
    # Replaced at their places, so that the same text elsewhere in the filter stays.
    out, end = [], 0
    for (first, last), text in sorted(texts.items()):
        out += [where[end:first], f"'{text}'"]
        end = last
    return "".join([*out, where[end:]]), alike


def _compares_dates(comparison: Comparison, column: pd.Series, source: str) -> bool:
    """Return whether a comparison of dates needs them in one form; raise on a mix."""
    given = list(comparison.texts.values())
    stated = [bool(DATE.match(text)) for text in given]
    kept = _is_dates(column)
    if kept and (comparison.numbers or not all(stated)):
        other = [*comparison.numbers, *(t for t in given if not DATE.match(t))]
        raise _mix(comparison, f"holds dates, but `where` compares it with {other[0]}", source)
    if any(stated) and pd.api.types.is_numeric_dtype(column):
        raise _mix(comparison, f"holds numbers, but `where` compares it with '{given[0]}'", source)
    if not kept or not given:
        return False
    values = column.dropna()
    # Equality with dates as the file writes them needs no other form.
    if comparison.operator in EQUAL and set(given) <= set(values.astype(str)):
        return False
    texts = [*given, *values.astype(str)]
    return not all(PLAIN.match(text) for text in texts)


def _mix(comparison: Comparison, what: str, source: str) -> InputError:
    return InputError(
        f"{source}: column '{shortened(comparison.column)}' {shortened(what)}; write dates as "
        "'2005-10-08' and numbers without quotes"
    )


def _is_dates(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    known = column.dropna()
    return len(known) > 0 and all(isinstance(v, str) and DATE.match(v) for v in known)


def _in_one_form(column: pd.Series, name: str, source: str) -> pd.Series:
    """Return dates as texts whose order is that of the moments, None where there is none."""
    moments = dates.times(column, name, source)
    texts = moments.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return pd.Series(texts.astype(object).where(moments.notna(), None))
