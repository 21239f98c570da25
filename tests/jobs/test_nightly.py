"""The nightly build: its exit status, when CURRENT moves and when it stays, and what it says has changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs import nightly
from jobs.cli.main import main
from jobs.release.history import current_version
from jobs.release.rollback import roll_back
from jobs.release.versions import make_current, publish_version
from jobs.runtime import registry
from jobs.runtime.stage import Stage
from jobs.runtime.stage_run import StageRun
from jobs.store.files import digest_of, write_json
from jobs.store.layout import DATASET, POINTER
from jobs.views import report
from schemas.errors import AuditError, EngineError


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


@pytest.mark.parametrize("told", ["{", "[]", "{}", '{"from": 3}', '{"from": "../elsewhere"}', '{"from": "v1"}', None])
def test_where_a_night_began_is_read_as_a_version_or_not_at_all(tmp_path, told):
    home, pending = tmp_path / "datasets" / "r", tmp_path / "nightly.json"
    home.mkdir(parents=True)
    make_current(home, "v2", {})
    if told is not None:
        pending.write_text(told)

    assert nightly._baseline(home, pending) == ("v1" if told == '{"from": "v1"}' else "v2")
    assert json.loads(pending.read_text())["from"] in ("v1", "v2")
