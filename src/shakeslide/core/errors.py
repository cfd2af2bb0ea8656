"""The error that a user can correct, and helpers for its message.

Everything a user can get wrong is raised as `InputError` where the fact is known and shown
once, by the command line, as one line. Any other exception is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMED = 30
"""Known words that a message lists."""


class InputError(Exception):
    """Wrong input from the user: one line that says what is wrong, where, and what to do.

    Examples
    --------
    >>> try:
    ...     ss.open_study("no/study.toml")
    ... except ss.InputError as error:
    ...     print("no/study.toml" in str(error))
    True
    """


LONGEST = 120
"""Characters of a text that a message repeats, and of a word that a near one is sought for."""


def shortened(text: object, most: int = LONGEST) -> str:
    """Return a text on one line, its middle left out where it is longer than a message bears."""
    line = " ".join(str(text).split())
    if len(line) <= most:
        return line
    return f"{line[: most // 2]} ... {line[-(most // 4) :]} ({len(line):,} characters)"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things in words: "1 feature", "1,200 features".

    Parameters
    ----------
    number : int
        How many.
    one, many : str
        What one is called, and what several are; default: `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is meant by a word, None where none is near."""
    if len(word) > LONGEST:
        return None
    folded = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.55)
    # Shorter words occur in almost any other.
    near += [k for k in folded if len(word) > 2 and (word.lower() in k or k in word.lower())]
    return folded[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known word, else the list of known words.

    Parameters
    ----------
    word : str
        What the user wrote.
    known : iterable of str
        What would have been right.
    """
    known = list(known)
    if (near := nearest(word, known)) is not None:
        return f" Did you mean '{shortened(near)}'?"
    if not known:
        return ""
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return f" Known: {', '.join(map(shortened, sorted(known)[:MOST_NAMED]))}{more}."
