"""The report of a build: one HTML file that needs nothing else, with every text of the data escaped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from jobs.runtime.workspace import Workspace
from jobs.store.files import write_atomic
from jobs.views.report.corpus import (
    describe_contracts,
    describe_domains,
    describe_duplicates,
    describe_funnel,
    describe_leaks,
    describe_rejects,
    describe_time,
)
from jobs.views.report.data import ReportData, explain_fault, load_report
from jobs.views.report.evaluation import describe_evaluation, describe_training, headline_figures
from jobs.views.report.negatives import describe_examples, describe_judge, describe_negatives, describe_synthesis
from jobs.views.report.page import render_page
from schemas.documents import DOCUMENTS
from schemas.errors import EngineError
from schemas.mining import VERDICTS
from schemas.pairs import POSITIVES
from schemas.shards import EXAMPLES

REPORT = "report.html"
# Each has a template of its name in templates/sections.
_SECTIONS: dict[str, tuple[str, Callable[[ReportData], dict[str, Any] | None]]] = {
    "evaluation": ("How the models score", describe_evaluation),
    "funnel": ("From raw text to examples", describe_funnel),
    "domains": ("Domains", describe_domains),
    "examples": ("Examples", describe_examples),
    "negatives": ("Negatives before and after judging", describe_negatives),
    "judge": ("What the judge stands on", describe_judge),
    "synthesis": ("Texts written by the language model", describe_synthesis),
    "duplicates": ("Duplicates", describe_duplicates),
    "leaks": ("Overlap with evaluation sets", describe_leaks),
    "rejects": ("Input that could not be read", describe_rejects),
    "training": ("Training", describe_training),
    "time": ("Time and memory", describe_time),
    "contracts": ("Contracts", describe_contracts),
}


def write_report(workspace: Workspace) -> Path:
    """Write the report of a build into the folder of its runs and return its path.

    Raises: EngineError when it cannot be written.
    """
    path = workspace.logs / REPORT
    page = render_report(load_report(workspace), datetime.now(UTC))
    try:
        write_atomic(path, page)
    except OSError as error:
        raise EngineError(f"report {path} cannot be written ({error.strerror}); try freeing space") from error
    return path


def render_report(data: ReportData, now: datetime) -> str:
    """Return the page: a section for what was built; at its end, a line each, what found nothing or was not built."""
    named = f"dataset version {data.version}" if data.version else "no dataset published yet"
    shown, quiet, absent = [], [], []
    for name, (title, describe) in _SECTIONS.items():
        fault, view = data.faults.get(name), None
        try:
            view = None if fault else describe(data)
        except Exception as error:  # noqa: BLE001  whatever it is, the other sections are shown
            fault = explain_fault(error)
        if fault or (view and "nothing" not in view):
            shown.append({"name": name, "title": title, "view": view, "fault": fault})
        elif view:
            quiet.append(view["nothing"])
        else:
            absent.append(title)
    return render_page(
        name=data.name,
        about=f"{named}, seed {data.seed}, report of {now:%d %B %Y, %H:%M} UTC",
        figures=_headline(data),
        sections=shown,
        quiet=quiet,
        absent=absent,
        release=installed("pairwright"),
    )


def _headline(data: ReportData) -> list[dict[str, str]]:
    documents, examples = data.reasons("ingest", DOCUMENTS.name), data.reasons("assemble", EXAMPLES.name)
    pairs, verdicts = data.reasons("synthesise", POSITIVES.name), data.reasons("judge", VERDICTS.name)
    figures = list(headline_figures(data.evaluation))
    if documents:
        left = data.reasons("guard", DOCUMENTS.name).get("kept", documents.get("kept", 0))
        figures.append(("documents", f"{sum(documents.values()):,}", f"{left:,} kept to train on"))
    if pairs:
        figures.append(("pairs of query and document", f"{sum(pairs.values()):,}", f"{pairs.get('kept', 0):,} kept"))
    if verdicts:
        kept = f"{verdicts.get('kept', 0):,} kept as negatives"
        figures.append(("candidates judged", f"{sum(verdicts.values()):,}", kept))
    if examples:
        figures.append(("examples", f"{examples.get('kept', 0):,}", "in planned batches, both stages"))
    return [{"name": name, "value": value, "note": note} for name, value, note in figures]
