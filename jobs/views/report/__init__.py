"""The report of a build: one HTML file that needs nothing else, with every text of the data escaped."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from string import Template

from jobs.runtime.workspace import Workspace
from jobs.views.report.corpus import (
    contracts_section,
    domains_section,
    duplicates_section,
    funnel_section,
    leaks_section,
    rejects_section,
    time_section,
)
from jobs.views.report.data import ReportData, load_report
from jobs.views.report.evaluation import evaluation_figure, evaluation_section, training_section
from jobs.views.report.html import Html, tag, text
from jobs.views.report.negatives import examples_section, judge_section, negatives_section, synthesis_section
from schemas.documents import DOCUMENTS
from schemas.errors import EngineError

REPORT = "report.html"
_PAGE = Path(__file__).with_name("page.html")


def write_report(workspace: Workspace) -> Path:
    """Write the report of a build into the folder of its runs and return its path.

    Raises: EngineError when it cannot be written.
    """
    path = workspace.logs / REPORT
    page = render_report(load_report(workspace), datetime.now(UTC))
    partial = path.with_name(f".{REPORT}.{os.getpid()}")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise EngineError(f"report {path} cannot be written ({error.strerror}); try freeing space") from error
    return path


def render_report(data: ReportData, now: datetime) -> str:
    """Return the page. Sections whose inputs were not built are one line each."""
    sections: list[tuple[str, str, Html | None]] = [
        ("evaluation", "How the models score", evaluation_section(data.evaluation)),
        ("funnel", "From raw text to examples", funnel_section(data)),
        ("contracts", "Contracts", contracts_section(data)),
        ("time", "Time and memory", time_section(data)),
        ("domains", "Domains", domains_section(data)),
        ("duplicates", "Duplicates", duplicates_section(data)),
        ("leaks", "Overlap with evaluation sets", leaks_section(data)),
        ("rejects", "Input that could not be read", rejects_section(data)),
        ("negatives", "Negatives before and after judging", negatives_section(data)),
        ("judge", "What the judge stands on", judge_section(data)),
        ("synthesis", "Texts written by the language model", synthesis_section(data)),
        ("examples", "Examples", examples_section(data)),
        ("training", "Training", training_section(data)),
    ]
    links = tag("nav", [tag("a", title, href=f"#{name}") for name, title, body in sections if body is not None])
    parts = [_header(data, now), links]
    for name, title, body in sections:
        content = body if body is not None else tag("p", "Nothing of this was built.", class_="absent")
        parts.append(tag("section", tag("h2", title), content, id=name))
    by = f"Written by pairwright {installed('pairwright')}. Samples are drawn by hash of their ids."
    parts.append(tag("footer", by))
    page = Template(_PAGE.read_text(encoding="utf-8"))
    return page.substitute(title=text(f"{data.name}: pairwright report"), body=text(parts))


def _header(data: ReportData, now: datetime) -> Html:
    named = f"dataset version {data.version}" if data.version else "no dataset published yet"
    about = f"{named}, seed {data.seed}, report of {now:%d %B %Y, %H:%M} UTC"
    documents, examples = data.reasons("ingest", DOCUMENTS.name), data.reasons("assemble", "examples")
    verdicts = data.reasons("judge", "verdicts")
    figures: list[tuple[str, str, str]] = []
    if documents:
        left = data.reasons("guard", DOCUMENTS.name).get("kept", documents.get("kept", 0))
        figures.append(("documents", f"{sum(documents.values()):,}", f"{left:,} kept to train on"))
    if verdicts:
        kept = f"{verdicts.get('kept', 0):,} kept as negatives"
        figures.append(("candidates judged", f"{sum(verdicts.values()):,}", kept))
    if examples:
        figures.append(("examples", f"{examples.get('kept', 0):,}", "in planned batches, both stages"))
    figures += evaluation_figure(data.evaluation)
    cells = [tag("div", tag("dt", name), tag("dd", value, tag("small", note))) for name, value, note in figures]
    return tag("header", tag("h1", data.name), tag("p", about), tag("dl", cells, class_="figures") if cells else None)
