"""Prompts for a small base model: solved examples, then the case at hand, left open where the answer goes.

A base model follows a pattern and not an instruction, so a prompt is nothing but the pattern (few-shot completion,
after Promptagator, arXiv 2209.11755, whose shots are also taken from the task's own pairs). The shots come first and
are the same for a whole domain: a server with a prefix cache reads them once.

Documents are data. Every text is one line in double quotes and holds neither itself, so a document cannot forge the
structure of the prompt, whatever it says; and the model's answer ends where its line ends.

The form was chosen by trial, Gemma 3 270M on 64 docstrings, share of queries that pass every gate: labels
("Document: ... Query:") with 5 long shots 8-17 %, an arrow after quoted text with 12 short shots 31-36 %. Long shots
are copied; shots alike to the document, found by search, are copied most (64 %). Of 42 negatives 2 pass, the others
copy the positive or loop; without the positive in the prompt 12 do, with it and a repetition penalty of 1.15 do 27.

Known weakness: tokens are estimated from bytes, because the tokeniser is the server's; three bytes a token errs on
the side of cutting more than needed for prose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.prompting import fenced
from pipeline.text import one_line

STOP = ("\n",)


@dataclass(frozen=True)
class Shot:
    """One solved example: a document, the query it answers, and a text that only seems to answer it."""

    text: str
    query: str
    negative: str | None = None


# For a corpus without a single gold pair. Plain facts, so that whatever leaks from them is recognised as foreign.
BUILT_IN = (
    Shot(
        "Bees returning to the hive perform a waggle dance: the angle of the dance to the vertical gives the direction "
        "of the flowers relative to the sun, and its duration gives the distance.",
        "how do bees tell each other where flowers are",
        "Honey is made from nectar that bees collect, reduce by evaporation and store in wax cells, where it keeps for "
        "years because it holds so little water.",
    ),
    Shot(
        "A lock raises or lowers boats between two stretches of water. The boat enters the chamber, the gates close "
        "behind it, and water is let in or out until the levels are equal.",
        "working principle of a canal lock",
        "Canals were dug across the country in the eighteenth century to carry coal, and most of them lost their trade "
        "to the railways within two generations.",
    ),
    Shot(
        "Bread dough rises because yeast ferments the sugars of the flour and gives off carbon dioxide, which the "
        "gluten network holds in bubbles. Cold slows the yeast down.",
        "why does bread dough rise",
        "Flour is graded by how much ash is left when a sample of it is burnt: the whiter the flour, the less of the "
        "outer layers of the grain it contains.",
    ),
)


def query_prefix(shots: Sequence[Shot], shot_tokens: int) -> str:
    """Return the solved part of a prompt that asks for a query."""
    return "".join(f"{_query_case(shot.text, shot_tokens)} {one_line(shot.query)}\n" for shot in shots or BUILT_IN)


def query_prompt(prefix: str, text: str, document_tokens: int) -> str:
    """Return the whole prompt that asks for a query for the text."""
    return prefix + _query_case(text, document_tokens)


def negative_prefix(shots: Sequence[Shot], shot_tokens: int) -> str:
    """Return the solved part of a prompt that asks for a hard negative; shots without a negative are left out."""
    solved = [shot for shot in shots if shot.negative] or BUILT_IN
    return "".join(
        f"{_negative_case(shot.query, shot.text, shot_tokens)} {fenced(shot.negative or '', shot_tokens)}\n\n"
        for shot in solved
    )


def negative_prompt(prefix: str, query: str, text: str, document_tokens: int) -> str:
    """Return the whole prompt that asks for a text which resembles the positive and does not answer the query."""
    return prefix + _negative_case(query, text, document_tokens)


def _query_case(text: str, tokens: int) -> str:
    return f"{fenced(text, tokens)} =>"


def _negative_case(query: str, text: str, tokens: int) -> str:
    return f"{one_line(query)}\n+ {fenced(text, tokens)}\n-"
