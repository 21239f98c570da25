"""Publishing: the same bytes at any partitioning, a row group a batch, audited before the swap, loadable by others."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import datasets
import mlcroissant
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from jobs.publish import run
from jobs.release.versions import finish_publishing, is_sound
from jobs.store.layout import CURRENT, HISTORY
from pipeline.assemble.config import AssembleConfig
from pipeline.assemble.native_ids import name_queries
from pipeline.compare.config import AuditConfig
from pipeline.index.config import EncoderConfig
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES, JUDGEMENTS
from schemas.errors import AuditError
from schemas.mining import VERDICTS
from schemas.pairs import REPLIES
from schemas.shards import EXAMPLES, INCOMPLETE_BATCH, PAIR_TASK, SHARDS, TRIPLET_TASK


def example(stage, number, batch, position, **changed):
    negatives = [f"n{number}", f"m{number}"] if stage == 2 else []
    row = {
        "stage": stage,
        "example_id": f"e{number}",
        "task": TRIPLET_TASK if stage == 2 else PAIR_TASK,
        "domain": f"dom{batch}",
        "rule": "title",
        "query_id": f"q{number}",
        "query": f"query {number} | é中",
        "query_native_id": f"topic-{number}" if number % 2 else None,
        "positive_id": f"p{number}",
        "positive": f"positive {number}\nwith a second line",
        "positive_native_id": f"manual/{number}",
        "negative_ids": negatives,
        "negatives": [f"text of {one}" for one in negatives],
        "negative_native_ids": ["", "guide"][: len(negatives)],
        "negative_fn": [0.1] * len(negatives),
        "positive_teacher": None,
        "negative_teacher": [-1.0] * len(negatives),
        "known_ids": [f"p{number}"],
        "batch": batch,
        "position": position,
        "drop_reason": None,
    }
    row.update(changed)
    return tuple(row[name] for name in EXAMPLES.names)


EVERY = [
    example(stage, 3 * batch + position, batch, position)
    for stage in (1, 2)
    for batch in range(4)
    for position in range(3)
]
UNPLANNED = example(1, 99, None, None, drop_reason=INCOMPLETE_BATCH)
EVERY_ROW = [*EVERY, UNPLANNED]


@dataclass
class FakeRecipe:
    """The parts of a recipe that publishing reads."""

    models: Path
    name: str = "tiny"
    seed: int = 13
    audit = AuditConfig(min_rows=1)
    assemble = AssembleConfig(batch_stage1=3, batch_stage2=3, min_batch=2)
    encoder = EncoderConfig(model="encoder", query_prefix="query: ", backend="torch")
    model_fields = Recipe.model_fields

    def section(self, name):
        if name == "sources":
            return [{"name": "src", "path": "/home/someone/secret/corpus.jsonl", "format": "jsonl"}]
        return self.assemble.to_mapping() if name == "assemble" else {"url": "http://user:key@host/v1"}

    def model_path(self, name):
        return self.models / name


class FakeRun:
    """A stage run over tables given as frames."""

    def __init__(self, spark, workspace, tables, fingerprint="f0"):
        self.spark, self.workspace_dir, self.tables, self.fingerprint = spark, workspace, tables, fingerprint
        self.recipe = FakeRecipe(workspace / "models")
        self.notes, self.log_dir = {}, workspace / "runs"
        (workspace / "models" / "encoder").mkdir(parents=True, exist_ok=True)
        (workspace / "models" / "encoder" / "config.json").write_text("{}")
        (workspace / "models" / "encoder" / "modules.json").write_text("[]")

    def read(self, table):
        return self.tables[table.name]

    def source_of(self, table):
        path = self.workspace_dir / "inputs" / table.name
        if not path.exists():
            self.tables[table.name].write.parquet(str(path))
        return path

    def artefact(self, name):
        path = self.workspace_dir / "artefacts" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def fingerprint_of(self, stage):
        return self.fingerprint

    def fingerprints(self):
        return {"publish": self.fingerprint}

    def note(self, **figures):
        self.notes.update(figures)


@pytest.fixture
def publish(rows, spark, tmp_path):
    def make(examples, workspace=None, partitions=1):
        workspace = workspace or tmp_path
        judged = rows(JUDGEMENTS, ("src", "topic 1", "a query", "own 2", 1.0, None))
        (query,) = name_queries(judged).collect()
        tables = {
            EXAMPLES: rows(EXAMPLES, *examples),
            DOCUMENTS: rows(
                DOCUMENTS,
                *[
                    (
                        f"d{i}",
                        "src",
                        "f",
                        i + 1,
                        f"own {i}" if i else None,
                        "",
                        "text",
                        [],
                        "d",
                        "dom",
                        "MIT" if i else None,
                        4,
                        "h",
                        None,
                    )
                    for i in range(3)
                ],
            ),
            EVAL_CORPUS: rows(EVAL_CORPUS, *[("own", f"d{i}", f"text {i}", "dom", True) for i in (2, 0, 1)]),
            EVAL_QUERIES: rows(EVAL_QUERIES, ("own", query.query_id, "a query", "dom")),
            EVAL_QRELS: rows(EVAL_QRELS, ("own", query.query_id, "d2", 1)),
            JUDGEMENTS: judged,
            VERDICTS: rows(VERDICTS),
            REPLIES: rows(REPLIES, ("r", "text", "stop", "digest-of-llm")),
        }
        frames = {table.name: frame.repartition(partitions) for table, frame in tables.items()}
        job = FakeRun(spark, workspace, frames)
        run(job)
        finish_publishing(job)
        home = workspace / "datasets" / "tiny"
        return home / (home / CURRENT).read_text().strip()

    return make


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return {}


@pytest.fixture
def version(publish, shared, tmp_path_factory):
    """One published version, made once for the tests that only look at it."""
    if "version" not in shared:
        shared["version"] = publish(EVERY_ROW, tmp_path_factory.mktemp("published"))
    return shared["version"]


def contents(version):
    return {file.relative_to(version).as_posix(): file.read_bytes() for file in version.rglob("*") if file.is_file()}


def test_the_same_bytes_come_out_at_three_partitions(publish, version, tmp_path):
    other = publish(EVERY_ROW[::-1], tmp_path, partitions=3)

    assert other.name == version.name
    assert contents(other) == contents(version)


def test_a_row_group_is_a_batch(version):
    for stage in (1, 2):
        (path,) = (version / f"stage{stage}").iterdir()
        file = pq.ParquetFile(path)
        assert file.schema_arrow.names == list(SHARDS.names)
        assert file.num_row_groups == 4
        for number in range(4):
            group = file.read_row_group(number).to_pylist()
            assert [row["batch"] for row in group] == [number] * 3
            assert [row["position"] for row in group] == [0, 1, 2]


def test_columns_carry_their_documentation(version):
    schema = pq.read_schema(next((version / "stage1").iterdir()))

    assert schema.metadata[b"table"] == b"shards"
    assert {c.name: c.doc for c in SHARDS.columns} == {f.name: f.metadata[b"doc"].decode() for f in schema}


def test_the_manifest_accounts_for_every_file_and_names_no_place(version):
    manifest = json.loads((version / "manifest.json").read_text())

    listed = {file["path"]: file["bytes"] for file in manifest["files"]}
    assert listed == {
        path: len(raw)
        for path, raw in contents(version).items()
        if path not in ("manifest.json", "README.md", "croissant.json")
    }
    assert [(r["stage"], r["domain"], r["rows"], r["negatives"]) for r in manifest["rows"]][3:5] == [
        (1, "dom3", 3, 0),
        (2, "dom0", 3, 6),
    ]
    assert manifest["models"]["writer"] == ["digest-of-llm"]
    assert manifest["prompts"] == {"query": "query: ", "document": ""}
    assert {"passages", "index", "sources", "assemble"} <= manifest["recipe"].keys()
    assert not {"name", "models", "audit", "train", "evaluate"} & manifest["recipe"].keys()
    for text in contents(version)["manifest.json"], contents(version)["README.md"]:
        assert b"/home/" not in text
        assert b"user:key" not in text


def test_the_card_configures_both_stages(version):
    card = (version / "README.md").read_text()

    front = yaml.safe_load(card.split("---")[1])
    assert [config["config_name"] for config in front["configs"]] == ["stage1", "stage2"]
    assert "| src | MIT | 2 | 8 |" in card
    assert "| src | not stated | 1 | 4 |" in card
    assert 'The encoder put `"query: "` before a query.' in card


def test_evaluation_sets_have_the_layout_of_beir(version):
    corpus = [json.loads(line) for line in (version / "eval/own/corpus.jsonl").read_text().splitlines()]

    assert [record["_id"] for record in corpus] == ["d0", "d1", "d2"]
    assert corpus[0] == {"_id": "d0", "title": "", "text": "text 0", "metadata": {"domain": "dom"}}
    assert corpus[2]["metadata"] == {"domain": "dom", "native_id": "own 2"}
    (query,) = [json.loads(line) for line in (version / "eval/own/queries.jsonl").read_text().splitlines()]
    about = {"domain": "dom", "native_id": "topic 1"}
    assert query == {"_id": query["_id"], "title": "", "text": "a query", "metadata": about}
    assert (version / "eval/own/qrels/test.tsv").read_text() == f"query-id\tcorpus-id\tscore\n{query['_id']}\td2\t1\n"


def test_datasets_loads_the_shards(version, tmp_path):
    files = str(version / "stage2" / "*.parquet")
    by_file = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    by_card = datasets.load_dataset(str(version), "stage1", split="train", cache_dir=str(tmp_path))

    assert by_file.num_rows == by_card.num_rows == 12
    assert by_file[0]["negatives"] == ["text of n0", "text of m0"]
    assert by_card.column_names == list(SHARDS.names)
    assert by_file[0]["negative_native_ids"] == ["", "guide"]
    assert [row["positive_native_id"] for row in by_card][:2] == ["manual/0", "manual/1"]
    assert [row["query_native_id"] for row in by_card][:2] == [None, "topic-1"]


def test_croissant_readers_load_every_row(version):
    described = mlcroissant.Dataset(jsonld=str(version / "croissant.json"))

    for stage in ("stage1", "stage2"):
        shards = ds.dataset(version / stage, format="parquet").to_table()
        names = [each.id for each in described.metadata.record_sets if each.id.startswith(stage)]
        rows = [row for name in names for row in described.records(name)]
        assert [row[f"{names[0]}/query"].decode() for row in rows] == shards["query"].to_pylist()
        assert len(rows[0]) == len(shards.column_names)


def test_publishing_the_same_again_changes_nothing_and_makes_a_damaged_version_good(publish, version):
    before = {path: path.stat().st_mtime_ns for path in version.rglob("*")}

    assert publish(EVERY_ROW, version.parents[2]) == version
    assert {path: path.stat().st_mtime_ns for path in version.rglob("*")} == before
    assert sorted(each.name for each in version.parent.iterdir()) == sorted([CURRENT, HISTORY, version.name])

    shard = next((version / "stage1").iterdir())
    sound = shard.read_bytes()
    shard.write_bytes(sound[:-10])
    assert publish(EVERY_ROW, version.parents[2]) == version
    assert shard.read_bytes() == sound


def test_a_version_is_sound_with_its_card_its_croissant_and_every_file_as_listed(version, tmp_path):
    for name in ("README.md", "croissant.json", "manifest.json", "eval/own/corpus.jsonl"):
        copy = Path(shutil.copytree(version, tmp_path / name.replace("/", "-") / version.name))
        assert is_sound(copy)
        (copy / name).unlink()
        assert not is_sound(copy)


# One fault in each batch: (the row, what the error says of it).
FAULTS = [
    (example(1, 0, 0, 0, query=" "), r"values_to_be_between \(query_chars\), got 1 [^;]*stage=1 example_id=e0"),
    (example(1, 3, 1, 0, positive_id="p4"), r"\(repeated_documents\), got 1 [^;]*stage=1 batch=1"),
    (example(1, 6, 2, 0, query_id="q7"), r"\(repeated_queries\), got 1 [^;]*stage=1 batch=2"),
    (example(1, 9, 3, 0, known_ids=["p9", "p10"]), r"\(known_among_others\), got 2 [^|]*stage=1 batch=3"),
    (example(2, 0, 0, 0, known_ids=["p0", "n0"]), r"\(known_negatives\), got 1 [^;]*stage=2 example_id=e0"),
    (example(2, 3, 1, 0, negatives=["x", ""]), r"\(shortest_negative_chars\), got 1 [^;]*stage=2 example_id=e3"),
    (example(2, 5, 1, 2, negatives=["x"]), r"\(unmatched_negatives\), got 1 [^;]*stage=2 example_id=e5"),
    (example(2, 6, 2, 0, example_id="e7"), r"columns_to_be_unique \(stage, example_id\), got 2 [^;]*example_id=e7"),
    (example(2, 8, 2, 2, domain="other"), r"\(domains_of_stage2\), got 1 [^;]*stage=2 batch=2"),
    (example(2, 9, 3, 0, task="other"), r"in_set \(task\), got 1 [^;]*stage=2 [^;]* example_id=e9 \(value other\)"),
]


def test_what_breaks_expectations_is_named_all_at_once_and_not_published(publish, tmp_path):
    place = EXAMPLES.names.index("stage"), EXAMPLES.names.index("batch"), EXAMPLES.names.index("position")
    broken = {tuple(row[i] for i in place): row for row, _ in FAULTS}
    home = tmp_path / "datasets" / "tiny"
    (home / "v0").mkdir(parents=True)
    (home / CURRENT).write_text("v0\n")

    with pytest.raises(AuditError) as caught:
        publish([broken.get(tuple(row[i] for i in place), row) for row in EVERY])

    for _, said in FAULTS:
        assert re.search(said, str(caught.value)), said
    assert "expect_table_row_count" not in str(caught.value)
    assert (home / CURRENT).read_text() == "v0\n"
    assert sorted(each.name for each in home.iterdir()) == [CURRENT, "v0"]


def test_a_dataset_without_a_batch_is_not_published(publish):
    with pytest.raises(AuditError, match="expect_table_row_count_to_be_between"):
        publish([UNPLANNED])


def test_a_version_far_from_the_last_one_is_not_published(publish):
    """A domain that vanished, half the rows gone, texts three times as long: each is named with what it was and is."""
    last = publish(EVERY_ROW)
    changed = [
        example(stage, 3 * batch + position, batch, position, positive="long " * 20)
        for stage in (1, 2)
        for batch in range(2)
        for position in range(3)
    ]

    with pytest.raises(AuditError) as caught:
        publish(changed)

    said = str(caught.value)
    assert re.search(r"between \(rows_lost\), got 2 rows that do not, e.g. of=stage1 before=12.0 now=6.0", said)
    assert re.search(r"between \(domain_lost\), got 2 rows that do not, e.g. of=dom2 before=0.25 now=0.0", said)
    assert re.search(r"between \(length\), got 2 [^;]*of=stage1.mean_positive_chars before=\d+", said)
    assert "audit.compare: false" in said
    assert "domain_share" not in said  # of 0.25 is within 0.25
    home = last.parent
    assert (home / CURRENT).read_text().strip() == last.name
    assert sorted(each.name for each in home.iterdir()) == sorted([CURRENT, HISTORY, last.name])
