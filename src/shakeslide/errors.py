"""The one error that is the user's to mend, and the words that help to mend it.

Everything a user can get wrong is raised as `InputError` where the fact is known and shown
once, by the command line, as one line. Any other exception is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Wrong input from the user: one line that says what, where, and what to do."""


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
    folded = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.55)
    near += [k for k in folded if len(word) > 2 and (word.lower() in k or k in word.lower())]
    if near:
        return f" Did you mean '{folded[near[0]]}'?"
    if not known:
        return ""
    return f" Known: {', '.join(sorted(known))}."
