"""HTML from Python values: everything is escaped unless it was made here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

CLIP = 260  # characters of a text that the report shows
# What XML and HTML forbid even as character references.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Html(str):
    """Markup that is safe as it stands."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return a value as escaped text; markup stays markup."""
    if isinstance(value, Html):
        return value
    if value is None:
        return Html("")
    if isinstance(value, list | tuple) or (isinstance(value, Iterable) and not isinstance(value, str)):
        return Html("".join(text(each) for each in value))
    return Html(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=True))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element; ``class_`` and ``text_anchor`` become class and text-anchor; those of None are left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{text(children)}</{name}>")


def table(
    heading: Sequence[object], rows: Iterable[Sequence[object]], numbers: Sequence[int] = (), class_: str = ""
) -> Html:
    """Return a table; the columns in ``numbers`` are set to the right."""
    kinds = ["n" if at in numbers else None for at in range(len(heading))]
    head = tag("tr", [tag("th", cell, class_=kind, scope="col") for cell, kind in zip(heading, kinds, strict=True)])
    body = [tag("tr", [tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)]) for row in rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", body), class_=class_ or None), class_="wide")


def clip(value: str, width: int) -> str:
    """Return the value on one line, cut to a width that reads."""
    line = " ".join(value.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"
