"""gc: what a current build or a kept version needs stays, everything else goes, and the bytes are counted."""

import json
from pathlib import Path

import pytest

from jobs.cli.main import main
from jobs.release.history import current_version, read_history
from jobs.release.rollback import roll_back
from jobs.release.versions import make_current
from jobs.runtime.workspace import Workspace
from jobs.store.files import write_json
from jobs.store.reviews import append_reviews, read_reviews
from jobs.store.tables import Store
from jobs.upkeep.gc import describe_garbage, find_garbage, remove_garbage, run_gc, size_text
from pipeline.recipe import load_recipe
from schemas.errors import RecipeError, ShardError
from schemas.reviews import Review


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A recipe whose stages have the fingerprint ``now``."""
    (tmp_path / "docs.jsonl").write_text(json.dumps({"text": "a text"}) + "\n")
    (tmp_path / "r.yaml").write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
    monkeypatch.setattr(Workspace, "fingerprint", lambda self, name: "now" if self.recipe.name == "r" else "its")
    return Workspace.open(load_recipe(tmp_path / "r.yaml"), tmp_path / "w")


def output(root: Path, stage: str, fingerprint: str, size: int = 10) -> None:
    store = Store(root)
    home = store.begin(stage, fingerprint)
    (home / "t").mkdir()
    (home / "t" / "part").write_bytes(b"x" * size)
    store.commit(stage, fingerprint, {"t": {}}, {"inputs": {}})


def build(root: Path, name: str, fingerprint: str, version: str) -> None:
    """A published version and the two stages that made it."""
    output(root, "ingest", fingerprint)
    store = Store(root)
    write_json(store.begin("publish", fingerprint) / "x", 0)
    (store.home("publish", fingerprint) / "dataset").mkdir()
    write_json(store.home("publish", fingerprint) / "dataset" / "dataset.json", {"name": name, "version": version})
    store.commit("publish", fingerprint, {"dataset": {}}, {"inputs": {}})
    home = root / "datasets" / name / version
    home.mkdir(parents=True, exist_ok=True)
    (home / "manifest.json").write_text('{"files": []}')
    make_current(home.parent, version, {"ingest": fingerprint, "publish": fingerprint})
    (root / "runs" / name).mkdir(parents=True, exist_ok=True)
    write_json(root / "runs" / name / "stages.json", {"ingest": fingerprint, "publish": fingerprint})


def paths(root: Path) -> set[str]:
    """Every stage output and every version."""
    found = [*(root / "tables").glob("*/*"), *(path.parent for path in (root / "datasets").glob("*/*/manifest.json"))]
    return {path.relative_to(root).as_posix() for path in found}


def test_what_a_kept_version_or_a_current_build_needs_stays(place: Workspace) -> None:
    root = place.path
    for number in range(4):
        build(root, "r", f"f{number}", f"v{number}")
        build(root, "other", f"o{number}", f"w{number}")
    output(root, "dedupe", "now")  # complete under the recipe as it stands, of no finished build yet
    output(root, "dedupe", "stale")
    before = paths(root)

    remove_garbage(find_garbage([place], keep=2))

    gone = {f"tables/{stage}/{print_}" for stage in ("ingest", "publish") for print_ in ("f0", "f1")}
    assert before - paths(root) == gone | {"datasets/r/v0", "datasets/r/v1", "tables/dedupe/stale"}
    assert [entry.version for entry in read_history(root / "datasets" / "r")] == ["v2", "v3"]
    assert find_garbage([place], keep=2) == []


def test_current_stays_however_old_it_is(place: Workspace) -> None:
    for number in range(3):
        build(place.path, "r", f"f{number}", f"v{number}")
    home = place.path / "datasets" / "r"
    roll_back(home, "v0")
    build(place.path, "other", "o", "w")  # what the latest build of r published is needed as well
    write_json(place.path / "runs" / "r" / "stages.json", {})

    remove_garbage(find_garbage([place], keep=1))

    assert {path.parent.name for path in home.glob("*/manifest.json")} == {"v0"}
    assert current_version(home) == "v0"
    assert (place.path / "tables" / "ingest" / "f0").is_dir()


def test_a_damaged_version_stays_is_told_and_takes_the_place_of_none(place: Workspace) -> None:
    for number in range(3):
        build(place.path, "r", f"f{number}", f"v{number}")
    home = place.path / "datasets" / "r"
    (home / "v2" / "manifest.json").write_text('{"files": [{"path": "stage1/a", "bytes": 3, "sha256": "0"}]}')

    (told,) = [line for line in run_gc([place], 1, False) if "v2" in line and "match" in line]

    assert "got stage1/a of no bytes, not 3" in told
    assert {path.parent.name for path in home.glob("*/manifest.json")} == {"v1", "v2"}
    (home / "v2" / "manifest.json").write_text('{"files": []}')
    assert not [line for line in run_gc([place], 1, False) if "match" in line]
    assert {path.parent.name for path in home.glob("*/manifest.json")} == {"v2"}


@pytest.mark.parametrize("file", ["runs/r/stages.json", "tables/publish/f/dataset/dataset.json"])
def test_what_names_a_place_outside_is_an_error_and_nothing_is_deleted(place: Workspace, file: str) -> None:
    build(place.path, "r", "f", "v")
    before = paths(place.path)
    write_json(place.path / file, {"publish": "f", "name": "..", "version": "../../.."})
    with pytest.raises(ShardError, match=r"must name plain names alone"):
        find_garbage([place], keep=1)
    assert paths(place.path) == before


def test_the_version_of_the_latest_build_stays_though_it_was_withdrawn(place: Workspace) -> None:
    for number in range(3):
        build(place.path, "r", f"f{number}", f"v{number}")
    home = place.path / "datasets" / "r"
    roll_back(home, "v0")
    remove_garbage(find_garbage([place], keep=1))
    assert {path.parent.name for path in home.glob("*/manifest.json")} == {"v0", "v2"}


@pytest.mark.parametrize(
    "dead",
    [
        "scratch/mine-abc/part",
        "datasets/r/.partial-f/stage1/x",
        "datasets/r/.damaged-v/x",
        "datasets/r/.CURRENT.7",
        "tables/mine/now/half",
        "cache/training/gone/checkpoint",
        "runs/r/.stages.json.7",
        "cache/shots/r/.a.json.7",
    ],
)
def test_what_a_crash_left_goes(place: Workspace, dead: str) -> None:
    path = place.path / dead
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1234)
    (found,) = find_garbage([place])
    assert (found.kind, found.files, found.bytes) == ("leftovers", 1, 1234)
    remove_garbage([found])
    assert not path.exists()


def test_replies_logs_and_a_training_that_may_go_on_stay(place: Workspace) -> None:
    for name in ("cache/replies/m/a.jsonl", "runs/r/build.log", "cache/training/now/checkpoint"):
        (place.path / name).parent.mkdir(parents=True, exist_ok=True)
        (place.path / name).write_text("x")
    assert find_garbage([place]) == []


def test_a_dry_run_says_the_bytes_and_touches_nothing(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    output(place.path, "mine", "stale", size=1_500_000)
    recipe = place.path.parent / "r.yaml"
    for flags in (["--dry-run"], []):
        assert (place.path / "tables" / "mine" / "stale").is_dir()
        with pytest.raises(SystemExit) as ended:
            main(["gc", str(recipe), "--workspace", str(place.path), *flags])
        assert ended.value.code == 0
    dry, done = capsys.readouterr().out.split("stage outputs  tables/mine/stale  1.5 MB, 2 files\n")[1:]
    assert dry == "would free 1.5 MB (stage outputs 1; 2 files)\n"
    assert done == "freed 1.5 MB (stage outputs 1; 2 files)\n"
    assert not (place.path / "tables" / "mine" / "stale").exists()


def test_nothing_to_free_is_said(place: Workspace) -> None:
    assert describe_garbage([], place.path, dry=False) == ["freed 0 B"]
    assert size_text(2_345_000_000_000_000) == "2,345.0 TB"


def test_no_version_at_all_cannot_be_asked_for(place: Workspace) -> None:
    with pytest.raises(RecipeError, match="--keep must be at least 1, got 0"):
        find_garbage([place], keep=0)


def test_answers_of_reviewers_are_never_removed(place: Workspace) -> None:
    review = Review("q", "t", "yes", "person:a", "2026-12-01T10:00:00.000000Z")
    append_reviews(place.store, [review])
    build(place.path, "r", "old", "v1")
    for _ in range(2):
        run_gc([place], 1, dry=False)
    assert read_reviews(place.store) == (review,)
