"""Quality: what dedupe finds, against all pairs compared exactly, and on one and on seven partitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from pipeline.contract import frame_of, spark_schema
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.survivors import find_duplicates
from pipeline.similarity.minhash import fold_bands, permutations_of, sign_sets
from pipeline.similarity.near import link_near, sign_texts
from pipeline.similarity.shingles import shingle_texts
from pipeline.text import shingles
from schemas.documents import DOCUMENTS, JUDGEMENTS
from tests.bench.corpora import pydocs_documents, read_collection, read_texts, session, write_documents
from tests.bench.rows import Row, no_collections
from tests.bench.truth import Truth, compare_all, same_clusters

SECTION = "quality"
CFG = DedupeConfig()
Texts = list[tuple[str, str]]
Mapping = dict[str, tuple[str, str, float]]


def measure(work: Path, collections: Path | None, pydocs: int | None = None) -> list[Row]:
    """Hold dedupe's pairs and clusters to the truth; ``pydocs`` limits how many docstrings are taken."""
    rows, sets = [], {"pydocs": read_texts(pydocs_documents())[:pydocs]}
    if collections is None:
        rows.append(no_collections(SECTION, "license_texts, reuters21578 and minhash_articles"))
    else:
        sets |= {
            name: _named(read_collection(collections / name / "corpus.jsonl.gz"))
            for name in ("license_texts", "reuters21578")
        }
    with session(SECTION, work) as spark:
        for name, texts in sets.items():
            rows += hold_to_truth(spark, name, texts, work / name)
        for size in (1000, 2500) if collections else ():
            rows.append(_labelled(spark, collections / "minhash_articles", size, work / f"articles{size}"))
    return rows


def hold_to_truth(spark: SparkSession, name: str, texts: Texts, folder: Path, section: str = SECTION) -> list[Row]:
    """Return the rows of one set of texts."""
    plain = [text for _, text in texts]
    truth = compare_all(plain, CFG.ngram, CFG.threshold)
    one, seven = (map_duplicates(spark, texts, folder / str(count), count) for count in (1, 7))
    place = {doc_id: i for i, (doc_id, _) in enumerate(texts)}
    clusters = np.array([place[one.get(doc_id, (doc_id,))[0]] for doc_id, _ in texts])
    together = clusters[truth.left] == clusters[truth.right]
    alike = same_clusters(clusters, truth.components)
    return [
        Row.of(section, f"{name}: documents", len(texts)),
        Row.of(section, f"{name}: true pairs", len(truth.left)),
        Row.of(section, f"{name}: true pairs that share a band", _proposed(plain, truth), "of 1", (">=", 0.99)),
        Row.of(section, f"{name}: recall, true pairs in one cluster", _share(together), "of 1", (">=", 0.99)),
        Row.of(section, f"{name}: precision, listed pairs that are true", _precision(spark, plain), "of 1", ("==", 1)),
        Row.of(section, f"{name}: documents whose cluster is the true component", _share(alike), "of 1", (">=", 0.99)),
        Row.of(section, f"{name}: 1 and 7 partitions differ in", _differences(one, seven), "rows", ("==", 0)),
    ]


def map_duplicates(spark: SparkSession, texts: Texts, folder: Path, partitions: int) -> Mapping:
    """Return the DUPLICATES as a mapping, found on so many partitions."""
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", partitions)
    path = write_documents(texts, folder, files=partitions)
    documents = spark.read.schema(spark_schema(DOCUMENTS)).parquet(str(path)).repartition(partitions, "text")
    found = find_duplicates(documents, frame_of(documents.sparkSession, JUDGEMENTS, []), CFG).collect()
    spark.conf.set("spark.sql.shuffle.partitions", before)
    return {row["doc_id"]: (row["survivor_id"], row["kind"], row["jaccard"]) for row in found}


def _named(texts: Texts) -> Texts:
    """Number the texts, so that ids are unique."""
    return [(f"{i:08}", text) for i, (_, text) in enumerate(texts)]


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else 1.0


def _differences(one: Mapping, other: Mapping) -> int:
    return len(set(one.items()) ^ set(other.items()))


def _proposed(texts: list[str], truth: Truth) -> float:
    """Return the share of the true pairs that meet in a bucket: what LSH alone finds, before clusters help."""
    factors, shifts = permutations_of(CFG.seed, CFG.banding.bands * CFG.banding.rows)
    sets = shingle_texts(pa.array(texts), CFG.ngram)
    keys = fold_bands(sign_sets(sets, factors, shifts), CFG.banding)
    parts = [
        (keys[truth.left[i : i + 65536]] == keys[truth.right[i : i + 65536]]).any(axis=1)
        for i in range(0, len(truth.left), 65536)
    ]
    return _share(np.concatenate(parts)) if parts else 1.0


def _precision(spark: SparkSession, texts: list[str]) -> float:
    """Return the share of the listed pairs whose Jaccard, over plain sets of words, is as listed and high enough."""
    frame = spark.createDataFrame(pa.table({"node": pa.array(range(len(texts)), pa.int64()), "text": texts}))
    listed = link_near(sign_texts(frame, CFG.signing).localCheckpoint(), CFG.threshold).collect()
    right = 0
    for row in listed:
        a, b = shingles(texts[row["left"]], CFG.ngram), shingles(texts[row["right"]], CFG.ngram)
        true = len(a & b) / len(a | b)
        right += abs(true - row["jaccard"]) < 1e-6 and round(true, 6) >= CFG.threshold
    return right / len(listed) if listed else 1.0


def _labelled(spark: SparkSession, folder: Path, size: int, work: Path) -> Row:
    """Return how many of the plagiarised articles that somebody labelled are in one cluster with their source."""
    found = map_duplicates(spark, read_collection(folder / f"corpus_{size}.jsonl.gz"), work, 2)
    lines = (folder / f"dup_pairs_{size}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    pairs = [tuple(line.split("\t")) for line in lines]
    together = sum(found.get(a, (a,))[0] == found.get(b, (b,))[0] for a, b in pairs)
    return Row.of(
        SECTION, f"minhash_articles of {size}: labelled pairs found, of {len(pairs)}", together, "", ("==", len(pairs))
    )
