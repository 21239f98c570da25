"""The nightly build: its exit status, when CURRENT moves and when it stays, and what it says has changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs import nightly
from jobs.cli.main import main
from jobs.release.history import Publication, current_version
from jobs.release.rollback import roll_back
from jobs.release.versions import make_current, publish_version
from jobs.runtime import registry
from jobs.runtime.stage import Stage
from jobs.runtime.stage_run import StageRun
from jobs.runtime.workspace import Workspace
from jobs.store.files import count_rows, digest_of, write_json
from jobs.store.layout import DATASET, POINTER
from jobs.store.tables import Store
from jobs.views import report
from jobs.views.diff import diff_lines, diff_versions
from pipeline.recipe import load_recipe
from schemas.documents import DOCUMENTS, HELD_OUT, NEAR_DUPLICATE
from schemas.errors import AuditError, EngineError
from schemas.mining import TOO_EASY, VERDICTS
from schemas.pairs import POSITIVES


class Factory:
    """A recipe with three quick stages for all sixteen: what the file holds is the version."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.workspace = folder, folder / "w"
        self.home = self.workspace / "datasets" / "r"
        self.fails: Callable[[str], None] = lambda _: None
        self.night("one")
        (folder / "r.yaml").write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
        monkeypatch.setattr(registry, "load_stage", self.stage)
        monkeypatch.setattr(registry, "STAGES", {"publish": "", "train2": "", "evaluate": ""})
        self.ran: list[str] = []
        monkeypatch.setattr(report, "write_report", lambda place: place.logs / "report.html")
        monkeypatch.setattr(
            nightly,
            "diff_versions",
            lambda place, before, after: {
                "from": before and before.version,
                "to": after.version,
                "note": None,
                "domains": {"added": {}, "removed": {}, "changed": {}},
            },
        )

    def night(self, content: str) -> None:
        (self.folder / "docs.jsonl").write_text(content)

    def stage(self, name: str) -> Stage:
        content = (self.folder / "docs.jsonl").read_text()
        return Stage(
            name=name,
            version=1,
            settings=(),
            inputs={},
            run=self.run,
            external=lambda _: {"docs": content},
            artefacts=("model" if name == "train2" else DATASET,),
            needs_spark=False,
        )

    def run(self, run: StageRun) -> None:
        self.ran.append(run.stage.name)
        if run.stage.name == "train2":
            (run.artefact("model") / "config.json").write_text("{}")
            return
        version = digest_of((self.folder / "docs.jsonl").read_text())[:16]
        partial = self.home / ".partial"
        partial.mkdir(parents=True)
        write_json(partial / "manifest.json", {"files": [], "rows": [], "funnel": {}})
        for name in ("README.md", "croissant.json"):
            (partial / name).write_text("card")
        try:
            self.fails(run.stage.name)
            if run.stage.name == "publish":
                publish_version(partial, self.home, version, {"publish": run.fingerprint_of("publish")})
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        write_json(run.artefact(DATASET) / POINTER, {"name": "r", "version": version})
        run.note(table=["heldout: nDCG@10"])

    def submit(self, *flags: str) -> str | int:
        """Run the script as spark-submit does."""
        with pytest.raises(SystemExit) as ended:
            nightly.main([str(self.folder / "r.yaml"), "--workspace", str(self.workspace), *flags])
        return ended.value.code or 0

    def call(self, command: str, *flags: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main([command, str(self.folder / "r.yaml"), "--workspace", str(self.workspace), *flags])
        return int(ended.value.code or 0)

    @property
    def current(self) -> str | None:
        return current_version(self.home)

    @property
    def diff(self) -> tuple[str | None, str]:
        found = json.loads((self.workspace / "runs" / "r" / "diff.json").read_text())
        return found["from"], found["to"]


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Factory:
    return Factory(tmp_path, monkeypatch)


def fail(error: BaseException) -> Callable[[str], None]:
    def now(_: str) -> None:
        raise error

    return now


def test_a_night_with_news_publishes_and_one_without_says_so(factory: Factory) -> None:
    assert factory.call("nightly") == 0
    first = factory.current
    assert factory.diff == (None, first)
    assert factory.call("nightly") == 3
    factory.night("two")
    assert factory.call("nightly") == 0
    assert factory.diff == (first, factory.current)
    assert factory.current != first


def test_after_a_build_by_hand_nothing_is_new(factory: Factory) -> None:
    assert factory.call("build", "--until", "publish") == 0
    assert factory.call("nightly") == 3


def test_a_failed_audit_has_its_own_status_and_leaves_current(
    factory: Factory, capfd: pytest.CaptureFixture[str]
) -> None:
    factory.call("nightly")
    first = factory.current
    factory.night("two")
    factory.fails = fail(AuditError("examples must satisfy expect_x (query_chars), got 3 rows that do not, e.g. e1"))
    assert factory.call("nightly") == 4
    assert factory.current == first
    assert f"the audit failed, CURRENT stays at {first}: examples must satisfy expect_x" in capfd.readouterr().err
    factory.fails = lambda _: None
    assert factory.call("nightly") == 0


@pytest.mark.parametrize(("error", "status"), [(EngineError("no Java"), 1), (KeyboardInterrupt(), 130)])
def test_any_other_end_is_no_audit(factory: Factory, error: BaseException, status: int) -> None:
    factory.call("nightly")
    first = factory.current
    factory.night("two")
    factory.fails = fail(error)
    assert factory.call("nightly") == status
    assert factory.current == first


def test_a_version_that_was_rolled_back_stays_so_until_there_is_another(
    factory: Factory, capfd: pytest.CaptureFixture[str]
) -> None:
    factory.call("nightly")
    first = factory.current
    factory.night("two")
    factory.call("nightly")
    second = factory.current
    roll_back(factory.home)

    assert factory.call("nightly") == 3
    assert factory.current == first
    assert f"nothing new: {second} was rolled back, CURRENT stays at {first}" in capfd.readouterr().out

    factory.night("three")
    assert factory.call("nightly") == 0
    assert factory.diff == (first, factory.current)


def test_building_again_what_was_rolled_back_does_not_publish_it(factory: Factory) -> None:
    for content in ("one", "two"):
        factory.night(content)
        factory.call("nightly")
    first, _ = roll_back(factory.home)[::-1]
    shutil.rmtree(factory.workspace / "tables")
    assert factory.call("nightly") == 3
    assert factory.current == first
    assert factory.call("build", "--until", "publish") == 0
    assert factory.current != first


def test_a_nightly_that_is_killed_after_the_swap_is_told_of_by_the_next(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory.call("nightly")
    first = factory.current
    factory.night("two")
    with monkeypatch.context() as broken:
        broken.setattr(nightly, "diff_versions", lambda *_: fail(KeyboardInterrupt())(""))
        assert factory.call("nightly") == 130
    assert factory.current != first
    assert factory.call("nightly") == 0
    assert factory.diff == (first, factory.current)
    assert factory.call("nightly") == 3


def test_what_follows_publishing_decides_no_status(
    factory: Factory, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def breaks(*_: object) -> None:
        raise TypeError("'float' object is not iterable")

    monkeypatch.setattr(report, "write_report", breaks)
    monkeypatch.setattr(nightly, "diff_versions", breaks)
    assert factory.call("nightly") == 0
    assert factory.current is not None
    complaint = capfd.readouterr().err.splitlines()
    assert [line.split(" could not be made: ")[0] for line in complaint] == [
        "pairwright: all is built, but the list of what changed",
        "pairwright: all is built, but the report",
    ]
    assert "TypeError: 'float' object is not iterable (details: " in complaint[1]
    assert "Traceback" in (factory.workspace / "runs" / "r" / "the-report.error.log").read_text()
    assert factory.call("nightly") == 3
    assert factory.call("build") == 0


def test_a_version_that_was_damaged_is_published_again(factory: Factory, capfd: pytest.CaptureFixture[str]) -> None:
    factory.call("nightly")
    for damage in (lambda path: path.write_text("{"), Path.unlink):
        for command, status in (("nightly", 0), ("nightly", 3), ("build", 0)):
            if status == 0:
                damage(factory.home / str(factory.current) / "manifest.json")
            capfd.readouterr()
            assert factory.call(command) == status
            assert ("published again" in capfd.readouterr().out) == (status == 0)
            assert json.loads((factory.home / str(factory.current) / "manifest.json").read_text())["files"] == []


def test_sources_that_went_back_publish_the_old_version_again(factory: Factory) -> None:
    versions = []
    for content in ("one", "two", "one"):
        factory.night(content)
        assert factory.call("nightly") == 0
        versions.append(factory.current)
    assert versions[0] == versions[2] != versions[1]


def test_a_nightly_that_trains_has_news_until_the_model_is_measured(
    factory: Factory, capfd: pytest.CaptureFixture[str]
) -> None:
    assert factory.call("nightly") == 0
    assert factory.ran == ["publish"]
    assert factory.call("nightly", "--train") == 0, "nothing new to publish, and a model that nobody had trained"
    assert factory.ran == ["publish", "train2", "evaluate"]
    assert "heldout: nDCG@10" in capfd.readouterr().out
    assert factory.call("nightly", "--train") == 3
    factory.night("two")
    factory.fails = fail(AuditError("examples must hold"))
    assert factory.call("nightly", "--train") == 4, "what failed its audit is not trained on"
    assert factory.ran[3:] == ["publish"]


def test_the_script_of_spark_submit_ends_as_the_command_does(
    factory: Factory, capfd: pytest.CaptureFixture[str]
) -> None:
    assert factory.submit("--train") == 0
    assert factory.ran == ["publish", "train2", "evaluate"]
    assert factory.submit() == 3
    factory.night("two")
    factory.fails = fail(AuditError("examples must hold"))
    assert factory.submit() == 4
    factory.fails = fail(EngineError("no Java"))
    assert factory.submit() == 1
    assert "pairwright: no Java" in capfd.readouterr().err
    (factory.folder / "r.yaml").write_text("name: r\n")
    assert factory.submit() == 1
    assert capfd.readouterr().err == "pairwright: sources is missing: where the documents come from\n"


def document(name, line, reason=None, text="text"):
    return (f"{name}-{text}", "s", "f.jsonl", line, name, "t", text, [], "fam", "dom", None, 4, "h", reason)


def positive(query, doc, rule="title", reason=None):
    return (query, "q?", doc, rule, 1.0, "dom", reason)


def verdict(query, doc, reason=None, is_positive=False):
    return (query, doc, is_positive, None, None, None, 0.5, None, None, None, 0.1, 0.5, "kept", 1, reason)


STORED = {DOCUMENTS: "guard", POSITIVES: "synthesise", VERDICTS: "judge"}


def store(spark, rows, root, fingerprint, *tables, domains):
    for (table, stage), values in zip(STORED.items(), tables, strict=True):
        home = Store(root).begin(stage, fingerprint)
        rows(table, *values).write.parquet(str(home / table.name))
        Store(root).commit(stage, fingerprint, {table.name: count_rows(home / table.name, True)}, {"inputs": {}})
    version = root / "datasets" / "r" / fingerprint
    version.mkdir(parents=True)
    manifest_rows = [{"stage": 1, "task": "pair", "domain": name, "rows": count} for name, count in domains.items()]
    write_json(version / "manifest.json", {"rows": manifest_rows, "funnel": {}})
    made = dict.fromkeys(STORED.values(), fingerprint)
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
        "changed": {"another text": (1, ["edited-new"])},
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
    assert diff_lines(diff)[-1] == "  domains    + new (1), - old (3), ~ grows (4 -> 5)"

    shutil.rmtree(place.path / "tables" / "judge" / "v1")
    assert diff_versions(place, before, after)["note"] == "the tables behind v1 are gone, so rows are not compared"
    first = diff_versions(place, None, after)
    assert sum(each["count"] for each in first["documents"]["added"].values()) == 4
