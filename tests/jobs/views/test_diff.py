"""The diff of two versions: documents, pairs, negatives and evaluation sets that came, went or changed, and why."""

import shutil

import pytest

from jobs.release.history import Publication
from jobs.release.versions import make_current
from jobs.runtime.workspace import Workspace
from jobs.store.files import count_rows, write_json
from jobs.store.tables import Store
from jobs.views.diff import diff_lines, diff_versions
from pipeline.compare.changes import TEXT
from pipeline.recipe import load_recipe
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES, HELD_OUT, NEAR_DUPLICATE
from schemas.mining import TOO_EASY, VERDICTS
from schemas.pairs import POSITIVES


def document(name, line, reason=None, text="text"):
    return (f"{name}-{text}", "s", "f.jsonl", line, name, "t", text, [], "fam", "dom", None, 4, "h", reason)


def positive(query, doc, rule="title", reason=None):
    return (query, "q?", doc, rule, 1.0, "dom", reason)


def verdict(query, doc, reason=None, is_positive=False):
    return (query, doc, is_positive, [], 0.5, None, None, None, 0.1, 0.5, "kept", 1, reason)


STORED = {"guard": [DOCUMENTS], "synthesise": [POSITIVES], "judge": [VERDICTS]}
STORED["holdout"] = [EVAL_CORPUS, EVAL_QUERIES, EVAL_QRELS]


def store(spark, rows, root, fingerprint, *tables, domains, measured=((), (), ())):
    found = iter([*tables, *measured])
    for stage, stored in STORED.items():
        home = Store(root).begin(stage, fingerprint)
        outputs = {}
        for table in stored:
            rows(table, *next(found)).write.parquet(str(home / table.name))
            outputs[table.name] = count_rows(home / table.name, "drop_reason" in table.names)
        Store(root).commit(stage, fingerprint, outputs, {"inputs": {}})
    version = root / "datasets" / "r" / fingerprint
    version.mkdir(parents=True)
    manifest_rows = [{"stage": 1, "task": "pair", "domain": name, "rows": count} for name, count in domains.items()]
    write_json(version / "manifest.json", {"rows": manifest_rows, "funnel": {}})
    made = dict.fromkeys(STORED, fingerprint)
    make_current(version.parent, fingerprint, made)
    return Publication(fingerprint, made, "")


@pytest.fixture
def place(spark, tmp_path):
    (tmp_path / "docs.jsonl").write_text("{}")
    (tmp_path / "r.yaml").write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
    found = Workspace.open(load_recipe(tmp_path / "r.yaml"), tmp_path / "w")
    found._spark = spark
    return found


def test_the_diff_says_what_changed_and_why(spark, rows, place) -> None:
    before = store(
        spark,
        rows,
        place.path,
        "v1",
        [
            document("same", 1),
            document("edited", 2),
            document("gone", 3),
            document("twin", 4),
            document("freed", 5, HELD_OUT),
        ],
        [
            positive("q1", "same-text"),
            positive("q2", "gone-text"),
            positive("q3", "twin-text"),
            positive("q4", "same-text"),
        ],
        [
            verdict("q1", "twin-text"),
            verdict("q1", "same-text", is_positive=True),
            verdict("q4", "freed-text"),
            verdict("q4", "by-the-model"),
        ],
        domains={"old": 3, "grows": 4},
    )
    after = store(
        spark,
        rows,
        place.path,
        "v2",
        [
            document("same", 7),
            document("edited", 2, text="new"),
            document("twin", 4, NEAR_DUPLICATE),
            document("freed", 5),
            document("fresh", 9),
        ],
        [positive("q1", "same-text"), positive("q4", "same-text", rule="links")],
        [verdict("q1", "fresh-text"), verdict("q4", "freed-text", TOO_EASY)],
        domains={"new": 1, "grows": 5},
    )

    diff = diff_versions(place, before, after)

    def counts(what):
        return {
            kind: {why: (each["count"], each["samples"]) for why, each in diff[what][kind].items()}
            for kind in ("added", "removed", "changed")
        }

    assert (diff["documents"]["before"], diff["documents"]["after"]) == (4, 4)
    assert counts("documents") == {
        "added": {"new": (1, ["fresh-text"]), "no longer held_out": (1, ["freed-text"])},
        "removed": {"gone from the sources": (1, ["gone-text"]), "near_duplicate": (1, ["twin-text"])},
        "changed": {TEXT: (1, ["edited-new"])},
    }
    assert counts("pairs") == {
        "added": {},
        "removed": {
            "document gone from the sources": (1, ["q2:gone-text"]),
            "document near_duplicate": (1, ["q3:twin-text"]),
        },
        "changed": {"rule": (1, ["q4:same-text"])},
    }
    assert counts("negatives") == {
        "added": {"new": (1, ["q1:fresh-text"])},
        "removed": {
            "document near_duplicate": (1, ["q1:twin-text"]),
            "too_easy": (1, ["q4:freed-text"]),
            "not written again": (1, ["q4:by-the-model"]),
        },
        "changed": {},
    }
    assert diff["domains"] == {"added": {"new": 1}, "removed": {"old": 3}, "changed": {"grows": [4, 5]}}
    assert diff_lines(diff)[:4] == [
        "changes     v1 -> v2",
        "  documents  4 -> 4   +2  -2  ~1",
        "             added: new 1, no longer held_out 1",
        "             removed: gone from the sources 1, near_duplicate 1",
    ]
    assert diff_lines(diff)[-1] == "  domains    + new (1 pairs), - old (3 pairs), ~ grows (4 -> 5 pairs)"

    shutil.rmtree(place.path / "tables" / "judge" / "v1")
    assert diff_versions(place, before, after)["note"] == "the tables behind v1 are gone, so rows are not compared"
    first = diff_versions(place, None, after)
    assert sum(each["count"] for each in first["documents"]["added"].values()) == 4


def measured(documents, queries, judgements):
    """Evaluation sets: (name, text) of held-out documents, names of queries, (query, name, text, grade)."""
    return (
        [("heldout", f"{name}-{text}", text, "dom", True) for name, text in documents]
        + [("own", "7", "same", "own", True)],
        [("heldout", query, f"{query}?", "dom") for query in queries],
        [("heldout", query, f"{name}-{text}", grade) for query, name, text, grade in judgements],
    )


def test_the_diff_says_what_is_measured_otherwise(spark, rows, place) -> None:
    domains = {"dom": 1}
    before = store(
        spark,
        rows,
        place.path,
        "v1",
        [document(name, at, HELD_OUT) for at, name in enumerate(("same", "edited", "freed", "gone"))],
        [],
        [],
        domains=domains,
        measured=measured(
            [(name, "text") for name in ("same", "edited", "freed", "gone")],
            ["q1", "q2", "q3"],
            [("q1", "same", "text", 1), ("q2", "edited", "text", 1), ("q3", "freed", "text", 1)],
        ),
    )
    after = store(
        spark,
        rows,
        place.path,
        "v2",
        [
            document("same", 8, HELD_OUT),
            document("edited", 1, HELD_OUT, text="new"),
            document("freed", 2),
            document("come", 9, HELD_OUT),
        ],
        [],
        [],
        domains=domains,
        measured=measured(
            [("same", "text"), ("edited", "new"), ("come", "text")],
            ["q1", "q2", "q4"],
            [("q1", "same", "text", 2), ("q2", "edited", "new", 1), ("q4", "come", "text", 1)],
        ),
    )

    diff = diff_versions(place, before, after)

    counts = {
        what: {
            (kind, why): facts["samples"]
            for kind in ("added", "removed", "changed")
            for why, facts in found[kind].items()
        }
        for what, found in diff["evaluation"].items()
    }
    assert counts == {
        "documents": {
            ("added", "new"): ["come-text"],
            ("removed", "gone from the sources"): ["gone-text"],
            ("removed", "trained on now"): ["freed-text"],
            ("changed", TEXT): ["edited-new"],
        },
        "queries": {("added", "new"): ["q4"], ("removed", "no longer asked"): ["q3"]},
        "judgements": {
            ("added", "new"): ["q4:come-text"],
            ("removed", "no longer judged"): ["q3:freed-text"],
            ("changed", "another grade"): ["q1:same-text"],
            ("changed", TEXT): ["q2:edited-new"],
        },
    }
    said = "\n".join(diff_lines(diff))
    assert "  evaluation 5 -> 4 documents   +1  -2  ~1" in said
    assert "             3 -> 3 queries   +1  -1  ~0" in said
    assert "what is measured changed: scores of the two versions do not compare" in said
    same = diff_versions(place, before, before)
    assert same["scores_compare"]
    assert "do not compare" not in "\n".join(diff_lines(same))
