"""The report: one file that needs nothing else, hostile texts shown as texts, missing parts said in a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from jobs.store.reviews import append_reviews
from jobs.views.report import render_report, write_report
from jobs.views.report.charts import histogram, line_chart
from jobs.views.report.data import ReportData, load_report
from jobs.views.report.outputs import origin_of
from jobs.views.report.page import render_page
from schemas.documents import DOCUMENTS, DUPLICATES, LEAK, NEAR, NEAR_DUPLICATE, REJECTS
from schemas.mining import DROPPED, KEPT, LIKELY_POSITIVE, POSITIVE, VERDICTS, VETOED
from schemas.pairs import COPY, NEGATIVE, POSITIVES, QUERY, SYNTHETICS
from schemas.reviews import Review
from schemas.shards import EXAMPLES, PAIR_TASK, TRIPLET_TASK
from tests.jobs.views.workspace import FakeWorkspace

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


def document(doc_id, body="a text", reason=None):
    title = f"title of {doc_id}"
    return (doc_id, "src", f"{EVIL}.jsonl", 7, None, title, body, [], doc_id, EVIL, None, 6, doc_id, reason)


def verdict(doc_id, dense, fn, verdict, rank=1, reason=None):
    return ("q", doc_id, reason == POSITIVE, [], dense, None, None, None, fn, 0.3, verdict, rank, reason)


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
        None,
        "d0",
        f"answer {EVIL}",
        None,
        list(negatives),
        [f"negative {EVIL}"] * n,
        [""] * n,
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
        calibration={"stands_on": "gold", "teacher": {"earned": False, "why": EVIL}},
        rates={"in_words": EVIL},
        curve={
            "points": [
                {"rule": EVIL, "at": 1, "cosine": 0.5, "rate": 0.1},
                {"rule": EVIL, "at": 2, "cosine": 0.6, "rate": 0.2},
            ],
            "chosen": {"rule": EVIL, "cosine": 0.5, "rate": 0.1},
        },
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
        "1 near_duplicate dedupe.threshold",
        "Not built: Overlap with evaluation sets, Contracts.",
        "Jaccard 0.90",
        "own: 9 queries over 20 documents",
        "+0.250 [+0.200, +0.300]",
        "1 of 2 texts passed",
        "all candidates (3)",
        "kept as negatives (2)",
        "tolerated 0.30",
        "likely_positive judge.tolerance , cosine 0.810, risk 0.625",
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


def test_what_was_not_built_is_one_line(tmp_path):
    said = Page(write_report(FakeWorkspace(tmp_path)).read_text()).said

    assert "And besides Not built: How the models score, From raw text to examples, Domains," in said
    assert "no dataset published yet" in said
    assert render_report(ReportData("empty"), datetime(2026, 1, 1, tzinfo=UTC))


# What each stage leaves when it has nothing: the report is made from what is there.
EMPTY = {
    "ingest": ([(DOCUMENTS, []), (REJECTS, [])], {}),
    "dedupe": ([(DOCUMENTS, []), (DUPLICATES, [])], {}),
    "guard": ([(DOCUMENTS, [])], {"protected": [], "leaks": []}),
    "bucket": ([], {"domains": {}}),
    "synthesise": ([(POSITIVES, []), (SYNTHETICS, [])], {}),
    "label": ([], {"measured": {}}),
    "judge": ([(VERDICTS, [])], {"calibration": {"stands_on": "transferred", "table": []}}),
    "assemble": ([(EXAMPLES, [])], {}),
}


def build_empty(place, **instead):
    for stage, (tables, notes) in EMPTY.items():
        given = instead.get(stage, tables)
        place.build(stage, given, **notes)
    return place


def test_a_build_of_nothing_has_a_report_that_says_so(tmp_path):
    place = build_empty(FakeWorkspace(tmp_path))
    place.build("train1", files=[("model/training.jsonl", "")])
    place.build("evaluate", files=[("evaluation/evaluation.json", json.dumps({"systems": {}, "differences": []}))])

    said = Page(write_report(place).read_text()).said

    assert "cannot be shown" not in said
    assert "No query had a candidate, so there are no mined negatives." in said
    assert "Every record could be read." in said
    assert "No example was planned (0 were made)." in said


@pytest.mark.parametrize(
    "verdicts",
    [
        [verdict("d0", 0.9, None, DROPPED, reason=POSITIVE)],  # positives alone: no batch has a threshold
        [verdict("d0", 0.9, None, DROPPED, reason=POSITIVE), verdict("d1", 0.2, 0.1, KEPT)],
    ],
)
def test_batches_of_positives_alone_are_no_candidates(tmp_path, verdicts):
    page = write_report(build_empty(FakeWorkspace(tmp_path), judge=[(VERDICTS, verdicts)])).read_text()

    assert "cannot be shown" not in page
    assert ("all candidates (1)" in page) == (len(verdicts) == 2)


@pytest.mark.parametrize(
    "evaluation",
    [
        {"systems": {"base": {}}},
        {"systems": {"base": {"own": {"all": {}, "domains": {}}}}, "queries": {"own": {"queries": 0}}},
        {"systems": {"base": {"own": {"all": {"ndcg@10": None}, "domains": {"a": {}, "b": {"ndcg@10": 0.0}}}}}},
        {"systems": {"base": {"own": {"all": {"ndcg@10": 0.0, "queries": 0}, "domains": {}}}, "stage2": {}}},
    ],
)
def test_an_evaluation_of_nothing_is_shown_as_it_is(tmp_path, evaluation):
    place = FakeWorkspace(tmp_path)
    place.build("evaluate", files=[("evaluation/evaluation.json", json.dumps({"differences": [], **evaluation}))])

    assert "cannot be shown" not in write_report(place).read_text()


def test_what_is_damaged_is_said_in_its_section_and_the_rest_is_shown(tmp_path):
    place = build_empty(FakeWorkspace(tmp_path), ingest=[(DOCUMENTS, [document("d0")]), (REJECTS, [])])
    (tmp_path / "tables" / "judge" / "f0" / VERDICTS.name / "part-0.parquet").write_bytes(b"rotten")
    place.build("evaluate", files=[("evaluation/evaluation.json", "{")])

    said = Page(write_report(place).read_text()).said

    assert "How the models score This part cannot be shown: JSONDecodeError" in said
    assert "Negatives before and after judging This part cannot be shown: ArrowInvalid" in said
    assert "ingest documents 1 1" in said


def test_what_an_earlier_stage_dropped_is_not_said_again(tmp_path):
    place = FakeWorkspace(tmp_path)
    place.build("dedupe", [(DOCUMENTS, [document("d0"), document("d1", reason=NEAR_DUPLICATE)])])
    place.build("guard", [(DOCUMENTS, [document("d0", reason=LEAK), document("d1", reason=NEAR_DUPLICATE)])])

    said = Page(write_report(place).read_text()).said

    assert "dedupe documents 2 1 1 near_duplicate dedupe.threshold" in said
    assert "guard documents 2 0 1 leak guard.containment, guard.threshold 1 dropped before" in said


def test_an_origin_keeps_the_end_of_a_long_path_and_its_line():
    assert origin_of({"native_id": "a-7", "path": "docs/a.md", "line": 3}) == "a-7, docs/a.md:3"
    assert origin_of({"doc_id": "5f"}) == "5f"
    long = origin_of({"native_id": "n" * 300, "path": "folder/" * 60 + "a.md", "line": 3})
    assert len(long) < 180
    assert long.endswith("folder/a.md:3")


def test_what_held_at_each_boundary_is_counted_and_linked(tmp_path):
    place = FakeWorkspace(tmp_path)
    place.build("guard", [(DOCUMENTS, [document("d0")])], expectations=29, audit_seconds=0.75)
    assert "guard documents 29 0.8" in Page(write_report(place).read_text()).said

    (tmp_path / "contracts" / "site").mkdir(parents=True)
    (tmp_path / "contracts" / "site" / "index.html").write_text("docs")
    assert ("href", "contracts/site/index.html") in Page(write_report(place).read_text()).attributes


def test_a_value_cannot_leave_its_element():
    hostile = "</p></span><b x='\"\ud800"
    section = {"name": "time", "title": hostile, "view": None, "fault": hostile}
    given = {"sections": [section], "quiet": [hostile], "absent": [hostile]}
    page = render_page(name=hostile, about=hostile, figures=[], release=hostile, **given)

    assert page.count("&lt;/p&gt;&lt;/span&gt;&lt;b x=&#39;&#34;\ufffd") == 8
    assert "<b x" not in page


@pytest.mark.parametrize("values", [[0.5], [0.5] * 3, [-1.0, 2.0], list(range(5000))])
def test_charts_take_short_flat_and_long_series(values):
    chart = str(line_chart([(float(i), float(v)) for i, v in enumerate(values)], "a <label>"))

    assert "nan" not in chart
    assert len(chart) < 60_000
    assert "nan" not in str(histogram([0.0, 0.5, 1.0], {"none": [0, 0], "some": [1, 3]}, "label"))


def test_reviews_are_counted_and_damaged_ones_are_said(tmp_path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    place = FakeWorkspace(tmp_path)
    place.build("judge", [(VERDICTS, [verdict("d", 0.5, 0.1, KEPT)])])
    assert "Reviewed so far" not in render_report(load_report(place), now)
    given = [("yes", "person:ana"), ("no", "person:ben"), ("unsure", "model:m")]
    for number, (answer, reviewer) in enumerate(given):
        append_reviews(place.store, [Review("q", "t", answer, reviewer, f"2026-12-01T10:00:00.{number:06}Z")])
    page = render_report(load_report(place), now)
    assert "Reviewed so far: 1 pairs, by 3 (answers: 1 yes, 1 no, 1 unsure)." in page
    next((tmp_path / "reviews").iterdir()).write_text("torn")
    assert "is damaged: its SHA-256 is not its name" in Page(render_report(load_report(place), now)).said
