"""A workspace on an object store: what readers see while it is written, and what another machine starts from."""

import json
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
import pytest

from jobs.cache.teachers import TeacherShelf
from jobs.cli.main import main
from jobs.release.history import current_version
from jobs.release.versions import publish_version
from jobs.runtime import registry
from jobs.runtime.stage import Stage
from jobs.runtime.stage_run import StageRun
from jobs.runtime.workspace import Workspace
from jobs.store.files import digest_of, file_sha256, write_json
from jobs.store.layout import DATASET, MANIFEST, POINTER, SYNCED, TEACHERS
from jobs.store.object_store import MIRRORS, Remote, mirror_folder
from jobs.store.open import open_store
from jobs.store.remote_lease import RemoteSlot
from jobs.views import report
from pipeline.ports import Lesson
from pipeline.recipe import load_recipe
from schemas.errors import EngineError, RecipeError, ShardError
from schemas.table import Table


class Killed(BaseException):
    """What a kill looks like from inside: nothing that is meant for errors catches it."""


class House:
    """A recipe with two quick stages, built on a remote by several machines, each with mirrors of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, monkeypatch
        self.uri = f"memory://{uuid.uuid4().hex}/w"
        self.ran: list[str] = []
        (folder / "r.yaml").write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
        self.night("one")
        self.at("first")
        monkeypatch.setattr(registry, "load_stage", self.stage)
        monkeypatch.setattr(registry, "STAGES", {"ingest": "", "publish": ""})
        monkeypatch.setattr(report, "write_report", lambda place: place.logs / "report.html")

    def night(self, content: str) -> None:
        (self.folder / "docs.jsonl").write_text(content)

    def at(self, machine: str) -> None:
        self.patch.setenv(MIRRORS, str(self.folder / machine))

    def stage(self, name: str) -> Stage:
        content = (self.folder / "docs.jsonl").read_text()
        inputs: dict[Table | str, str] = {} if name == "ingest" else {"texts": "ingest"}
        return Stage(
            name=name,
            version=1,
            settings=(),
            inputs=inputs,
            run=self.run,
            needs_spark=False,
            external=lambda _: {"docs": content},
            artefacts=("texts" if name == "ingest" else DATASET,),
            is_resumable=name == "ingest",
        )

    def run(self, run: StageRun) -> None:
        self.ran.append(run.stage.name)
        if run.stage.name == "ingest":
            home = run.artefact("texts")
            (home / "part-0").mkdir()
            for name in ("a", "part-0/b"):
                (home / name).write_bytes((self.folder / "docs.jsonl").read_bytes() * 1000)
            return
        text = (run.source_of("texts") / "a").read_text()
        version, partial = digest_of(text)[:16], run.workspace_dir / "datasets" / "r" / ".partial"
        (partial / "stage1").mkdir(parents=True)
        (partial / "stage1" / "rows").write_text(text)
        (partial / "README.md").write_text("card")
        facts = {"path": "stage1/rows", "bytes": len(text), "sha256": file_sha256(partial / "stage1" / "rows")}
        write_json(partial / "manifest.json", {"files": [facts], "rows": [], "funnel": {}})
        publish_version(
            partial,
            run.workspace_dir / "datasets" / "r",
            version,
            {name: run.fingerprint_of(name) for name in ("ingest", "publish")},
        )
        shutil.rmtree(partial, ignore_errors=True)
        write_json(run.artefact(DATASET) / POINTER, {"name": "r", "version": version})

    def call(self, command: str, *flags: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main([command, str(self.folder / "r.yaml"), "--workspace", self.uri, *flags])
        return int(ended.value.code or 0)

    def build(self) -> int:
        return self.call("build", "--until", "publish")

    def place(self) -> Workspace:
        return Workspace.open(load_recipe(self.folder / "r.yaml"), self.uri)

    @property
    def path(self) -> Path:
        return mirror_folder(self.uri)

    @property
    def there(self) -> dict[str, bytes]:
        """What stands on the remote."""
        names = fsspec.filesystem("memory").find(self.uri)
        return {name.partition("/w/")[2]: fsspec.filesystem("memory").cat_file(name) for name in names}

    @contextmanager
    def dying(self, wanted: Callable[[str], bool]) -> Iterator[None]:
        """Kill the process before the first small file that is wanted: from then on it writes nothing at all."""
        dead = [False]

        def mortal(write: Callable[..., object]) -> Callable[..., object]:
            def call(remote: Remote, what: Any, *rest: object) -> object:
                dead[0] |= isinstance(what, str) and wanted(what)
                if dead[0]:
                    raise Killed(what)
                return write(remote, what, *rest)

            return call

        with pytest.MonkeyPatch.context() as patch:
            for name in ("write", "create", "put", "delete"):
                patch.setattr(Remote, name, mortal(getattr(Remote, name)))
            yield
        assert dead[0]
        fsspec.filesystem("memory").rm(f"{self.uri}/lease.json")  # of this very process, which lives


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(RemoteSlot, "poll", 0.0)
    found = House(tmp_path, monkeypatch)
    yield found
    with suppress(FileNotFoundError):
        fsspec.filesystem("memory").rm(found.uri.rpartition("/")[0], recursive=True)


def content(root: Path) -> dict[str, bytes]:
    """Every file of tables and versions in a folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in ("tables", "datasets")
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


def test_a_fresh_mirror_goes_on_where_the_first_stopped_and_holds_the_same_bytes(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    assert house.build() == 0
    said = capfd.readouterr().out.splitlines()
    assert said[0] == f"recipe r in {house.uri}"
    assert f"report      {house.uri}/runs/r/report.html" in said
    first = content(house.path)
    assert first
    assert {name: house.there[name] for name in first} == first

    house.at("second")
    house.ran.clear()
    assert house.build() == 0
    assert house.ran == []
    small = content(house.path)
    assert not any(name.endswith(("/a", "/b", "/rows")) for name in small), "tables come when they are asked for"

    place = house.place()
    with place.hold_lease("test"):
        place.open_output("ingest", "texts")
        place.open_output("publish", DATASET)
        (version,) = (house.path / "datasets" / "r").glob("*/")
        place.store.mirror.pull_version(version)
    assert content(house.path) == first


def test_a_stage_on_another_machine_reads_what_the_first_wrote(house: House) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["stage", "ingest", str(house.folder / "r.yaml"), "--workspace", house.uri])
    assert ended.value.code == 0
    house.at("second")
    assert house.build() == 0
    assert house.ran == ["ingest", "publish"]
    assert current_version(house.path / "datasets" / "r").encode() == house.there["datasets/r/CURRENT"].strip()


def test_everything_stands_before_what_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote: list[str] = []
    put, write = Remote.put, Remote.write
    monkeypatch.setattr(Remote, "put", lambda remote, files: (wrote.extend(files), put(remote, files))[1])
    monkeypatch.setattr(
        Remote, "write", lambda remote, name, content: (wrote.append(name), write(remote, name, content))[1]
    )
    assert house.build() == 0
    last = [name for name in wrote if name.startswith("datasets/r/")][-3:]
    assert [name.rpartition("/")[2] for name in last] == ["manifest.json", "history.json", "CURRENT"]
    for home in {name.rpartition("/")[0] for name in wrote if name.endswith(MANIFEST)}:
        assert [name for name in wrote if name.startswith(home)][-1] == f"{home}/{MANIFEST}"


@pytest.mark.parametrize("dead", [MANIFEST, "manifest.json", "CURRENT"])
def test_a_kill_between_files_and_manifest_shows_nothing_and_costs_only_the_push(house: House, dead: str) -> None:
    assert house.build() == 0
    before = house.there
    house.night("two")
    house.ran.clear()
    with house.dying(lambda name: name.endswith(f"/{dead}")), pytest.raises(Killed):
        main(["build", str(house.folder / "r.yaml"), "--workspace", house.uri, "--until", "publish"])
    torn = house.there
    assert torn["datasets/r/CURRENT"] == before["datasets/r/CURRENT"]
    assert len(torn) > len(before), "files did arrive"

    first = house.path
    house.at("second")  # what a reader elsewhere sees: the old version, and no half table
    reader = open_store(house.uri)
    reader.mirror.look()
    told = {path.parent.parent.name for path in reader.workspace.glob(f"tables/*/*/{MANIFEST}")}
    assert told == {"ingest", "publish"}
    if dead == MANIFEST:
        assert len(list(reader.workspace.glob(f"tables/ingest/*/{MANIFEST}"))) == 1
    assert current_version(reader.workspace / "datasets" / "r") == before["datasets/r/CURRENT"].decode().strip()

    house.at("first")
    assert house.build() == 0
    assert house.ran.count("ingest") == 1, "the push is done again, the stage is not"
    assert house.there["datasets/r/CURRENT"] != before["datasets/r/CURRENT"]
    again = content(first)
    assert {name: house.there[name] for name in again} == again


def test_a_mirror_that_is_ahead_of_a_remote_does_not_bring_back_what_was_collected(house: House) -> None:
    for text in ("one", "two", "three"):
        house.night(text)
        assert house.build() == 0
    sleeping = set(content(house.path))
    house.at("second")
    assert house.call("gc", "--keep", "1") == 0
    kept = {name for name in house.there if name.startswith(("tables/", "datasets/"))}
    assert len({name.split("/")[2] for name in kept if name.endswith("/manifest.json")}) == 1
    house.at("first")
    assert house.build() == 0
    assert set(content(house.path)) < sleeping
    assert {name for name in house.there if name.startswith(("tables/", "datasets/"))} == kept


def test_gc_counts_and_removes_what_a_killed_push_left(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert house.build() == 0
    fs = fsspec.filesystem("memory")
    fs.pipe(f"{house.uri}/tables/mine/dead/candidates/part", b"x" * 2000)
    fs.pipe(f"{house.uri}/datasets/r/half/stage1/rows", b"x" * 3000)
    assert house.call("gc", "--dry-run") == 0
    assert house.call("gc") == 0
    dry, done = (line for line in capsys.readouterr().out.splitlines() if "freed" in line or "would free" in line)
    assert dry == "would free 5.0 kB (leftovers 2; 2 files)"
    assert done == "freed 5.0 kB (leftovers 2; 2 files)"
    assert not any("/dead/" in name or "/half/" in name for name in house.there)


def test_caches_grow_on_both_sides_and_what_was_compacted_stays_away(house: House) -> None:
    def cached(path: Path) -> set[str]:
        return {each.name for each in path.glob("cache/*/*/*") if each.name != SYNCED}

    def session(machine: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> set[str]:
        house.at(machine)
        place = house.place()
        with place.hold_lease("test"):
            place.store.mirror.pull_caches()
            folder = house.path / "cache" / "replies" / "m"
            folder.mkdir(parents=True, exist_ok=True)
            for name in add:
                (folder / name).write_text(name)
            for name in remove:
                (folder / name).unlink()
        return cached(house.path)

    assert session("first", add=("a", "b")) == {"a", "b"}
    assert session("second", add=("c",)) == {"a", "b", "c"}
    assert session("second", add=("abc",), remove=("a", "b", "c")) == {"abc"}
    assert {name.rpartition("/")[2] for name in house.there if name.startswith("cache/")} == {"abc"}
    assert session("first", add=("d",)) == {"abc", "d"}, "what was compacted elsewhere does not come back"

    house.at("first")
    training = house.path / "cache" / "training" / "f" / "checkpoint"
    training.parent.mkdir(parents=True)
    training.write_text("large")
    assert "checkpoint" not in {name.rpartition("/")[2] for name in house.there}

    def interrupted() -> None:
        with house.place().hold_lease("test"):
            (house.path / "cache" / "replies" / "m" / "dear").write_text("paid for")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert house.there["cache/replies/m/dear"] == b"paid for", "what was computed before a failure is kept"


def test_a_kept_teacher_travels_and_the_one_before_it_does_not_come_back(house: House, tmp_path: Path) -> None:
    lessons = [Lesson("query", "text", ("other",))]

    def session(machine: str, weights: str = "") -> str:
        """Return the weights of the teacher that is found there, before another is kept."""
        house.at(machine)
        place = house.place()
        with place.hold_lease("test"):
            place.store.mirror.pull_caches()
            shelf = TeacherShelf(house.path / "cache" / TEACHERS, "r", "settings")
            found = shelf.find(lessons, 0.5)
            read = (found[0] / "model.safetensors").read_text() if found else ""
            if weights:
                (tmp_path / weights).mkdir()
                (tmp_path / weights / "model.safetensors").write_text(weights)
                shelf.keep(tmp_path / weights, lessons)
        return read

    assert [session("first", "one"), session("second"), session("second", "two")] == ["", "one", "one"]
    assert [session("third"), session("first")] == ["two", "two"]
    assert sum(name.endswith("model.safetensors") for name in house.there) == 1


def test_two_writers_do_not_meet_and_one_that_lost_its_lease_writes_nothing(house: House) -> None:
    def second() -> None:
        with house.place().hold_lease("second"):
            pass

    def first() -> None:
        with house.place().hold_lease("first"):
            with pytest.raises(EngineError, match=rf"{house.uri} must be free, got one held by .*\(first\), since"):
                second()
            (house.path / "datasets" / "r").mkdir(parents=True)
            (house.path / "datasets" / "r" / "CURRENT").write_text("mine\n")
            facts = json.loads(house.there["lease.json"]) | {"token": "another", "host": "far", "machine": "far"}
            fsspec.filesystem("memory").pipe(f"{house.uri}/lease.json", json.dumps(facts).encode())

    with pytest.raises(EngineError, match="was lost: taken by far"):
        first()
    assert "datasets/r/CURRENT" not in house.there
    assert json.loads(house.there["lease.json"])["host"] == "far", "and it does not give back what is not its own"


def test_a_damaged_file_of_the_remote_is_named(house: House) -> None:
    assert house.build() == 0
    name = next(name for name in house.there if name.endswith("/texts/a"))
    raw = house.there[name]
    fsspec.filesystem("memory").pipe(f"{house.uri}/{name}", b"x" + raw[1:])
    house.at("second")
    place = house.place()
    with (
        place.hold_lease("test"),
        pytest.raises(EngineError, match=f"{house.uri}/{name} is damaged: its SHA-256 is not"),
    ):
        place.open_output("ingest", "texts")
    assert not (house.path / name).exists()


@pytest.mark.parametrize(
    ("uri", "error", "said"),
    [
        ("s3://bucket/w", EngineError, r"s3://bucket/w cannot be opened: .*s3fs.*; try: pip install s3fs"),
        ("nonsense://w", RecipeError, r"place must be a path, or s3://, gs://, abfs://, hdfs://, got 'nonsense://w'"),
    ],
)
def test_a_backend_that_is_not_there_is_said_with_the_way_out(
    uri: str, error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(MIRRORS, str(tmp_path))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(error, match=said):
        open_store(uri)


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (PermissionError("Access Denied"), "cannot be read (PermissionError: Access Denied); try its credentials"),
        (ConnectionError("no route"), "cannot be read (ConnectionError: no route); try again when it can be reached"),
    ],
)
def test_trouble_with_the_remote_is_one_line(
    house: House, raised: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "open", fail)
    assert house.build() == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line]
    assert f"pairwright: {house.uri} {said}" in line


def test_executors_that_cannot_see_the_mirror_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    place = house.place()
    place._check_mirror("spark://far:7077")
    monkeypatch.delenv(MIRRORS)
    place._check_mirror("local[2]")
    with pytest.raises(RecipeError, match=f"mirror of {house.uri} must be a folder that every executor of yarn mounts"):
        place._check_mirror("yarn")


def test_a_local_workspace_has_no_mirror(tmp_path: Path) -> None:
    assert open_store(tmp_path / "w").mirror is None
    assert open_store(f"file://{tmp_path}/w").workspace == tmp_path / "w"


def test_a_manifest_on_the_remote_that_names_a_file_above_its_folder_fetches_nothing(house: House) -> None:
    assert house.build() == 0
    (name,) = [name for name in house.there if name.startswith("tables/ingest/") and name.endswith(MANIFEST)]
    fs = fsspec.filesystem("memory")
    fs.pipe_file(f"{house.uri}/secret", b"out")
    manifest = json.loads(house.there[name])
    manifest["outputs"]["texts"]["files"][0] |= {"path": "../../../../../secret", "bytes": 3}
    fs.pipe_file(f"{house.uri}/{name}", json.dumps(manifest).encode())
    house.at("second")
    store = open_store(house.uri)
    store.mirror.look()
    before = set(house.folder.rglob("*"))
    with pytest.raises(ShardError, match=r"/_manifest\.json must name files by plain paths") as told:
        store.fetch("ingest", name.split("/")[2], "texts")
    assert "\n" not in str(told.value)
    assert set(house.folder.rglob("*")) == before


def test_a_remote_that_is_no_workspace_is_one_line(house: House) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file(f"{house.uri}/runs/r/stages.json", b"{}")
    fs.pipe_file(f"{house.uri}/datasets/d/CURRENT", b"../../elsewhere")
    (house.path / "runs").mkdir(parents=True)
    (house.path / "runs" / "r").write_text("a file where a folder should be")
    with pytest.raises(EngineError, match="cannot mirror memory://") as told:
        open_store(house.uri).mirror.look()
    assert "\n" not in str(told.value)


def test_a_rollback_looks_at_the_files_of_the_remote(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("one", "two"):
        house.night(text)
        assert house.build() == 0
    old, new = [path.name for path in sorted(house.path.glob("datasets/r/*/"), key=lambda path: path.stat().st_mtime)]
    assert house.there["datasets/r/CURRENT"].decode().strip() == new
    rows, fs = f"datasets/r/{old}/stage1/rows", fsspec.filesystem("memory")
    good = house.there[rows]
    fs.pipe_file(f"{house.uri}/{rows}", bytes(len(good)))
    house.at("second")
    assert house.call("rollback") == 1
    assert "is damaged" in capsys.readouterr().err
    assert house.there["datasets/r/CURRENT"].decode().strip() == new
    fs.pipe_file(f"{house.uri}/{rows}", good)
    assert house.call("rollback") == 0
    assert house.there["datasets/r/CURRENT"].decode().strip() == old
