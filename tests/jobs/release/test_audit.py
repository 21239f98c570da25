"""A night whose dataset is not what is expected of it publishes nothing, and ends with the status of its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs import nightly, publish
from jobs.cli.main import main
from jobs.release import manifest
from jobs.release.history import current_version
from jobs.runtime import registry, workspace
from jobs.runtime.stage import Stage
from jobs.runtime.stage_run import StageRun
from jobs.store.layout import CURRENT, DATASET, HISTORY
from jobs.views import report
from pipeline.contract import frame_of
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES, JUDGEMENTS
from schemas.mining import VERDICTS
from schemas.pairs import REPLIES
from schemas.shards import EXAMPLES, PAIR_TASK, TRIPLET_TASK

DOMAINS, ROWS = ("cooking", "geology", "music"), 10  # rows of a stage and domain: a batch of its own


def example(stage: int, number: int) -> dict[str, object]:
    batch, position = divmod(number, ROWS)
    negatives = [f"n{number}"] if stage == 2 else []
    return {
        "stage": stage,
        "example_id": f"e{number}",
        "task": TRIPLET_TASK if stage == 2 else PAIR_TASK,
        "domain": DOMAINS[batch],
        "rule": "title",
        "query_id": f"q{number}",
        "query": f"query {number}",
        "query_native_id": None,
        "positive_id": f"p{number}",
        "positive": f"positive {number}",
        "positive_native_id": f"own {number}",
        "negative_ids": negatives,
        "negatives": [f"text of {one}" for one in negatives],
        "negative_native_ids": [""] * len(negatives),
        "negative_fn": [0.1] * len(negatives),
        "positive_teacher": None,
        "negative_teacher": [-1.0] * len(negatives),
        "known_ids": [f"p{number}"],
        "batch": batch,
        "position": position,
        "drop_reason": None,
    }


SOUND = [example(stage, number) for stage in (1, 2) for number in range(len(DOMAINS) * ROWS)]


def empty_texts(rows):
    """Three texts of ten are empty."""
    return [row | {"positive": ""} if row["position"] < 3 else row for row in rows]


def lost_domain(rows):
    """All of one domain is gone."""
    return [row for row in rows if row["domain"] != DOMAINS[-1]]


def repeated_key(rows):
    """An example stands in its stage twice, as a join that multiplies rows leaves it."""
    return [row | {"example_id": "e1"} if row["example_id"] == "e2" and row["stage"] == 1 else row for row in rows]


class Tables:
    """The run of the stage ``publish`` over tables given as rows, for all else the real one."""

    def __init__(self, run: StageRun, examples: list[dict[str, object]], scratch: Path) -> None:
        self._run, self._scratch = run, scratch
        rows = {
            EXAMPLES: [tuple(row[name] for name in EXAMPLES.names) for row in examples],
            DOCUMENTS: [("d0", "src", "f", 1, None, "", "text", [], "d", "dom", "MIT", 4, "h", None)],
            EVAL_CORPUS: [("own", "d0", "text", "dom", True)],
            EVAL_QUERIES: [("own", "q1", "a query", "dom")],
            EVAL_QRELS: [("own", "q1", "d0", 1)],
            JUDGEMENTS: [],
            VERDICTS: [],
            REPLIES: [],
        }
        self._frames = {table.name: frame_of(run.spark, table, values) for table, values in rows.items()}

    def __getattr__(self, name: str):
        return getattr(self._run, name)

    def read(self, table):
        return self._frames[table.name]

    def source_of(self, table):
        path = self._scratch / table.name
        self._frames[table.name].write.mode("overwrite").parquet(str(path))
        return path


@pytest.fixture
def night(spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[dict[str, object]]], int]:
    """Run ``pairwright nightly`` from the command line with these examples; return the exit status."""
    (tmp_path / "models" / "all-MiniLM-L6-v2").mkdir(parents=True)
    (tmp_path / "models" / "all-MiniLM-L6-v2" / "config.json").write_text("{}")
    (tmp_path / "models" / "all-MiniLM-L6-v2" / "modules.json").write_text("[]")
    (tmp_path / "docs.jsonl").write_text("{}")
    (tmp_path / "r.yaml").write_text(
        "name: r\nmodels: models\naudit: {min_rows: 1}\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n"
    )
    given: list[dict[str, object]] = []

    def load(name: str) -> Stage:
        return Stage(
            name=name,
            version=1,
            settings=(),
            inputs={},
            artefacts=(DATASET,),
            external=lambda _: {"examples": json.dumps(given)},
            run=lambda run: publish.run(Tables(run, given, tmp_path / "scratch")),
        )  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "load_stage", load)
    monkeypatch.setattr(manifest, "describe_recipe", lambda recipe: {"assemble": recipe.section("assemble")})
    monkeypatch.setattr(registry, "STAGES", {"publish": ""})
    monkeypatch.setattr(workspace, "start_session", lambda *_: spark)
    monkeypatch.setattr(workspace, "stop_session", lambda _: None)
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

    def run(examples: list[dict[str, object]]) -> int:
        given[:] = examples
        with pytest.raises(SystemExit) as ended:
            main(["nightly", str(tmp_path / "r.yaml"), "--workspace", str(tmp_path / "w")])
        return int(ended.value.code or 0)

    return run


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for the workspace in which the sound night has been, which all the other nights begin with."""
    return tmp_path_factory.mktemp("published") / "w"


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (empty_texts, r"examples .*_between \(positive_chars\), got 18 rows that do not, e\.g\. stage=\d example_id=e"),
        (
            lost_domain,
            r"drift since .*_between \(domain_lost\), got 1 rows that do not, e\.g\. of=music before=0\.33\d+",
        ),
        (
            repeated_key,
            r"examples .*_unique \(stage, example_id\), got 2 rows that do not, e\.g\. stage=1 example_id=e1",
        ),
    ],
)
def test_a_planted_fault_leaves_current_alone_and_has_its_own_status(
    night, published: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], harm, says: str
) -> None:
    home, docs = tmp_path / "w" / "datasets" / "r", tmp_path / "w" / "runs" / "r" / "contracts" / "site" / "index.html"
    if published.exists():
        shutil.copytree(published, tmp_path / "w")
    else:
        assert night(SOUND) == 0
        shutil.copytree(tmp_path / "w", published)
    first = current_version(home)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert docs.is_file()

    assert night(harm(SOUND)) == 4

    said = capfd.readouterr().err
    assert f"pairwright: the audit failed, CURRENT stays at {first}: " in said
    assert re.search(says, said)
    assert said.rstrip().endswith(f"details: {docs}")
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert sorted(each.name for each in home.iterdir()) == sorted([CURRENT, HISTORY, str(first)])

    assert night(SOUND) == 3  # what was sound still is
