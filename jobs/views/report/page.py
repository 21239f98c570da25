"""HTML from the templates of this folder: every value is escaped unless a template made it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

CLIP = 260  # characters of a text that the report shows
# What XML and HTML forbid even as character references.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def render_page(template: str = "page.html", **values: Any) -> str:
    """Return a template of ``templates`` with these values. Raises: jinja2.UndefinedError when one is missing."""
    return str(_ENVIRONMENT.get_template(template).render(**values))


def clip(value: str | None, width: int = CLIP) -> str:
    """Return the value on one line, cut to a width that reads."""
    line = " ".join((value or "").split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _finish(value: object) -> object:
    """Prepare a value for the page: nothing for None, and no character that HTML forbids."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value))


def make_environment(templates: Path) -> Environment:
    """Return what draws the templates of a folder: every value escaped, none missing."""
    made = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finish,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "clip": clip,
        "figure": _figure,
        "number": "{:,}".format,
        "percent": _percent,
        "width": lambda share: f"{max(0.0, min(1.0, share)):.2%}",
    }
    return made


_ENVIRONMENT = make_environment(Path(__file__).with_name("templates"))
