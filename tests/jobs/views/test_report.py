"""The report: one file that needs nothing else, hostile texts shown as texts, missing parts said in a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.release.shards import arrow_schema
from jobs.store.files import count_rows
from jobs.store.tables import Store
from jobs.views.report import render_report, write_report
from jobs.views.report.charts import histogram, line_chart
from jobs.views.report.data import ReportData, load_report
from jobs.views.report.page import render_page
from schemas.documents import DOCUMENTS, DUPLICATES, NEAR, NEAR_DUPLICATE, REJECTS
from schemas.mining import DROPPED, KEPT, LIKELY_POSITIVE, POSITIVE, VERDICTS, VETOED
from schemas.pairs import COPY, NEGATIVE, QUERY, SYNTHETICS
from schemas.shards import EXAMPLES, PAIR_TASK, TRIPLET_TASK

EVIL = "<script>alert('x')</script><img src=//evil.example/a.png onerror=\"go()\"> & \x00 {{ name }} {% raw %}"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that elements nest."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        self.attributes += attributes
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.words.append(data)

    @property
    def said(self):
        return " ".join(" ".join(self.words).split())


@dataclass
class FakeWorkspace:
    """The parts of a workspace that the report reads, over a real store."""

    path: Path

    def __post_init__(self):
        self.store = Store(self.path)
        self.recipe = SimpleNamespace(name="tiny", seed=13)
        self.logs = self.path

    def fingerprint(self, stage):
        return "f0"

    def manifest(self, stage):
        return self.store.manifest(stage, "f0")

    def build(self, stage, tables=(), files=(), **notes):
        home = self.store.begin(stage, "f0")
        outputs = {}
        for contract, rows in tables:
            (home / contract.name).mkdir()
            records = [dict(zip(contract.names, row, strict=True)) for row in rows]
            schema = arrow_schema(contract)
            pq.write_table(pa.Table.from_pylist(records, schema=schema), home / contract.name / "part-0.parquet")
            outputs[contract.name] = count_rows(home / contract.name, "drop_reason" in contract.names)
        for name, content in files:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(content)
            outputs[Path(name).parts[0]] = {}
        self.store.commit(stage, "f0", outputs, {"inputs": {}, "notes": notes, "seconds": 61.5, "peak_mb": 2048})


def document(doc_id, body="a text", reason=None):
    title = f"title of {doc_id}"
    return (doc_id, "src", f"{EVIL}.jsonl", 7, None, title, body, [], doc_id, EVIL, None, 6, doc_id, reason)


def verdict(doc_id, dense, fn, verdict, rank=1, reason=None):
    return ("q", doc_id, reason == POSITIVE, None, None, None, dense, None, None, None, fn, 0.3, verdict, rank, reason)


def example(stage, number, negatives=()):
    n = len(negatives)
    return (
        stage,
        f"e{number}",
        TRIPLET_TASK if stage == 2 else PAIR_TASK,
        "dom",
        "title",
        "q",
        f"asked {EVIL}",
        "d0",
        f"answer {EVIL}",
        list(negatives),
        [f"negative {EVIL}"] * n,
        [0.125] * n,
        None,
        [-1.0] * n,
        ["d0"],
        0,
        number,
        None,
    )


EVALUATION = {
    "systems": {
        name: {
            "own": {
                "all": {"ndcg@10": value, "mrr@10": value, "queries": 9},
                "domains": {d: {"ndcg@10": value, "mrr@10": value, "queries": 4} for d in ("one", EVIL)},
            }
        }
        for name, value in (("base", 0.5), ("stage2", 0.75))
    },
    "differences": [
        {
            "system": "stage2",
            "baseline": "base",
            "eval": "own",
            "domain": domain,
            "metric": "ndcg@10",
            "difference": 0.25,
            "low": 0.2,
            "high": 0.3,
            "queries": 4,
        }
        for domain in ("all", "one", EVIL)
    ],
    "queries": {"own": {"queries": 9, "documents": 20, "unjudged": 0}},
    "baseline": "base",
    "config": {},
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    place = FakeWorkspace(tmp_path_factory.mktemp("workspace"))
    place.build(
        "ingest",
        [
            (DOCUMENTS, [document(f"d{i}", f"body {EVIL}") for i in range(6)]),
            (REJECTS, [("src", EVIL, 3, "bad_json", EVIL, b"\xff")]),
        ],
    )
    place.build(
        "dedupe",
        [
            (DOCUMENTS, [document("d0"), document("d1"), document("d2", reason=NEAR_DUPLICATE)]),
            (DUPLICATES, [("d2", "d1", NEAR, 0.9, None)]),
        ],
    )
    place.build("bucket", domains={EVIL: 5, "small": 1})
    place.build(
        "synthesise",
        [
            (
                SYNTHETICS,
                [
                    ("r1", QUERY, "t1", f"written {EVIL}", "d0", None, 1, None),
                    ("r2", NEGATIVE, "t2", f"copied {EVIL}", "d0", "q", None, COPY),
                ],
            )
        ],
    )
    place.build("label", measured={"none shown": {"rows": 50, "hidden": 4, "auc": {"dense": 0.8, EVIL: None}}})
    place.build(
        "judge",
        [
            (
                VERDICTS,
                [
                    verdict("d0", 0.9, None, DROPPED, reason=POSITIVE),
                    verdict("d3", 0.72, 0.125, KEPT),
                    verdict("d4", 0.81, 0.625, VETOED, reason=LIKELY_POSITIVE),
                    verdict("d5", -0.1, 0.01, KEPT, rank=2),
                ],
            )
        ],
        calibration={"mode": "fitted", "why": EVIL, "teacher": {"earned": False, "why": EVIL}},
    )
    place.build("assemble", [(EXAMPLES, [example(1, 1), example(2, 1, ["d3", "d5"])])])
    log = [{"step": i, "loss": 1 / i, "lr": 1e-5, "examples": 8 * i} for i in range(1, 901)]
    place.build("train1", files=[("model/training.jsonl", "".join(json.dumps(one) + "\n" for one in log))])
    place.build("evaluate", files=[("evaluation/evaluation.json", json.dumps(EVALUATION))])
    return place


@pytest.fixture(scope="module")
def page(workspace):
    return write_report(workspace).read_text(encoding="utf-8")


def test_hostile_texts_are_shown_as_texts(page):
    found = Page(page)

    assert not {"script", "img", "iframe", "link", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "asked <script>alert('x')</script><img src=//evil.example/a.png" in found.said
    assert "{{ name }} {% raw %}" in found.said
    assert "\x00" not in page


def test_the_page_fetches_nothing(page):
    links = [value for name, value in Page(page).attributes if name in ("href", "src", "action", "data", "xlink:href")]

    assert links
    assert all(value.startswith("#") for value in links)
    assert "url(" not in page
    assert "@import" not in page


@pytest.mark.parametrize(
    "part",
    [
        "1 near_duplicate",
        "Jaccard 0.90",
        "own: 9 queries over 20 documents",
        "+0.250 [+0.200, +0.300]",
        "1 of 2 texts passed",
        "all candidates (3)",
        "kept as negatives (2)",
        "vetoed above 0.30",
        "likely_positive, cosine 0.810, risk 0.625",
        "cosine 0.720, risk 0.125",
        "while the build went on: 1.",
        "loss 1.0000 at first, 0.0011 at last",
        "7,200 examples",
        "The teacher earned no vote",
        "small",
        "4 of 50",
        "9.2 minutes when every stage runs; 2.0 GB at the peak",
    ],
)
def test_every_section_says_what_was_built(page, part):
    assert part in Page(page).said


def test_histograms_count_candidates_but_no_known_positive(workspace):
    data = load_report(workspace)

    assert (sum(data.hardness.before), sum(data.hardness.after)) == (3, 2)
    assert (data.hardness.before[0], data.hardness.before[14], data.hardness.after[16]) == (1, 1, 0)
    assert (data.fn_probability.before[12], data.fn_probability.after[12]) == (1, 0)


def test_samples_are_the_same_in_every_report(workspace):
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert render_report(load_report(workspace), now) == render_report(load_report(workspace), now)


def test_missing_parts_are_one_line_each(tmp_path):
    said = Page(write_report(FakeWorkspace(tmp_path)).read_text()).said

    assert said.count("Nothing of this was built.") == 13
    assert "no dataset published yet" in said
    assert render_report(ReportData("empty"), datetime(2026, 1, 1, tzinfo=UTC))


def test_what_held_at_each_boundary_is_counted_and_linked(tmp_path):
    place = FakeWorkspace(tmp_path)
    place.build("guard", [(DOCUMENTS, [document("d0")])], expectations=29, audit_seconds=0.75)
    assert "guard documents 29 0.8" in Page(write_report(place).read_text()).said

    (tmp_path / "contracts" / "site").mkdir(parents=True)
    (tmp_path / "contracts" / "site" / "index.html").write_text("docs")
    assert ("href", "contracts/site/index.html") in Page(write_report(place).read_text()).attributes


def test_a_value_cannot_leave_its_element():
    hostile = "</p></span><b x='\"\ud800"
    section = {"name": "time", "title": hostile, "view": {"rows": [], "total": 0, "peak": 0}}
    page = render_page(name=hostile, about=hostile, figures=[], sections=[section], release=hostile)

    assert page.count("&lt;/p&gt;&lt;/span&gt;&lt;b x=&#39;&#34;\ufffd") == 6
    assert "<b x" not in page


@pytest.mark.parametrize("values", [[0.5], [0.5] * 3, [-1.0, 2.0], list(range(5000))])
def test_charts_take_short_flat_and_long_series(values):
    chart = str(line_chart([(float(i), float(v)) for i, v in enumerate(values)], "a <label>"))

    assert "nan" not in chart
    assert len(chart) < 60_000
    assert "nan" not in str(histogram([0.0, 0.5, 1.0], {"none": [0, 0], "some": [1, 3]}, "label"))
