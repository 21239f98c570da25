"""Every kept document has exactly one domain, and small domains are merged upwards."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame

from pipeline.bucket.config import BucketConfig
from pipeline.bucket.taxonomy import assign_domains, lay_out_domains, merge_small, stated_domains
from schemas.documents import DOCUMENTS, DOMAINS
from schemas.errors import RecipeError


def document(number: int, domain: str, drop_reason: str | None = None) -> tuple[object, ...]:
    return (f"d{number:04}", "docs", "a", 1, None, "", "text", [], "f", domain, None, 4, "hash", drop_reason)


def documents_of(rows, **sizes: int) -> DataFrame:
    domains = [name.replace("__", "/") for name, size in sizes.items() for _ in range(size)]
    return rows(DOCUMENTS, *[document(i, domain) for i, domain in enumerate(domains)])


def sizes_of(domains: DataFrame) -> dict[str, int]:
    return dict(Counter(row["domain"] for row in domains.collect()))


def reference(paths: dict[str, int], cfg: BucketConfig) -> dict[str, str]:
    """Merge level by level, in plain Python; all is of one source, called docs."""
    named = {}
    for path in paths:
        parts = [part.strip() for part in path.split("/") if part.strip()][: cfg.depth]
        named[path] = "/".join(parts) or cfg.other
    for depth in range(cfg.depth, -1, -1):
        held: Counter[str] = Counter()
        for path, name in named.items():
            held[name] += paths[path]
        for path, name in named.items():
            parts = name.split("/")
            if depth > 1 and len(parts) == depth and held[name] < cfg.min_size:
                named[path] = "/".join(parts[:-1])
            elif depth == 0 and held[name] < cfg.min_size:
                named[path] = "docs"
    return named


def test_one_screen_example(rows):
    documents = documents_of(rows, py__net__http=5, py__net__ftp=2, py__net__smtp=1, py__io=2, py=2, sql=4, c=1, ada=1)

    got = assign_domains(stated_domains(documents), BucketConfig(min_size=3))

    assert sizes_of(got) == {"py/net/http": 5, "py/net": 3, "py": 4, "sql": 4, "docs": 2}


def test_digits_and_points_of_names_stay_and_blanks_go(rows):
    names = ["docs/v1", " docs / v11 ", "docs/v2", "python30", "api/1.1/2"]
    documents = rows(DOCUMENTS, *[document(n, name) for n, name in enumerate(names)])

    got = assign_domains(stated_domains(documents), BucketConfig(min_size=1))

    assert sizes_of(got) == dict.fromkeys(("docs/v1", "docs/v11", "docs/v2", "python30", "api/1.1/2"), 1)


def test_small_domains_join_their_own_source(rows):
    documents = rows(DOCUMENTS, *[(f"d{n}", f"s{n % 2}", *document(n, f"topic {n}")[2:]) for n in range(6)])

    assert sizes_of(assign_domains(stated_domains(documents), BucketConfig(min_size=2))) == {"s0": 3, "s1": 3}


def test_dropped_documents_have_no_domain_and_do_not_count(rows):
    documents = rows(DOCUMENTS, document(1, "a"), document(2, "a"), document(3, "a", "leak"))

    assert sizes_of(assign_domains(stated_domains(documents), BucketConfig(min_size=2))) == {"a": 2}
    assert sizes_of(assign_domains(stated_domains(documents), BucketConfig(min_size=3))) == {"docs": 2}


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_results_do_not_depend_on_partitioning(rows, partitions):
    documents = documents_of(rows, a__b=9, a__c=2, a=1, d=2, e__f__g__h=8)
    expected = sorted(assign_domains(stated_domains(documents.coalesce(1)), BucketConfig(min_size=4)).collect())

    got = sorted(assign_domains(stated_domains(documents.repartition(partitions)), BucketConfig(min_size=4)).collect())

    assert got == expected
    assert len(got) == len({row["doc_id"] for row in got}) == documents.count()


def test_a_second_pass_changes_nothing(rows):
    documents = documents_of(rows, a__b=9, a__c=2, a=1, d=2, e__f__g__h=8)
    once = assign_domains(stated_domains(documents), BucketConfig(min_size=4)).localCheckpoint()
    again = documents.drop("domain").join(once, "doc_id", how="inner")

    assert sorted(assign_domains(stated_domains(again), BucketConfig(min_size=4)).collect()) == sorted(once.collect())


PATHS = st.lists(st.sampled_from(["a", "b", "c", "", " ", "x y"]), min_size=1, max_size=5).map("/".join)


@given(st.dictionaries(PATHS, st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 4), st.integers(1, 20))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_taxonomy_is_merged_as_the_reference_says(spark, paths, depth, min_size):
    cfg = BucketConfig(depth=depth, min_size=min_size)
    rows = [("docs", path, size) for path, size in sorted(paths.items())]
    frame = spark.createDataFrame(rows, "source string, path string, documents long")

    got = {row["path"]: row["domain"] for row in merge_small(frame, cfg).collect()}

    assert got == reference(paths, cfg)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"other": "a/b"}, "other must be one folder.s name"),
        ({"min_size": 0}, "min_size must be at least 1"),
        ({"rule": "magic"}, "rule must be one of source"),
        ({"size": 3}, "known settings"),
        (
            {"classifier": {"lessons": 99}},
            "classifier must be left out for rule source, got settings; try rule: classif",
        ),
        ({"rule": "classifier", "cluster": {"words": 2}}, "cluster must be left out for rule classifier"),
        ({"rule": "cluster", "cluster": {"clusters": 5, "groups": 5}}, "cluster.groups must be fewer than clusters"),
        ({"rule": "cluster", "cluster": {"clusters": 50, "lessons": 20}}, "cluster.clusters must be at most lessons"),
    ],
)
def test_impossible_settings_are_refused(given, fault):
    with pytest.raises(RecipeError, match=fault):
        BucketConfig.from_mapping(given)


def test_a_table_that_is_not_documents_is_refused(spark):
    frame = spark.createDataFrame([("a", None)], "domain string, drop_reason string")

    with pytest.raises(AnalysisException, match="doc_id"):
        stated_domains(frame)


def test_files_by_domain_are_few(rows, tmp_path):
    documents = documents_of(rows, large=1000, mid__dle=120, small=2).repartition(7)
    domains = assign_domains(stated_domains(documents), BucketConfig(min_size=1))

    laid = lay_out_domains(documents, domains, file_rows=250)
    laid.write.partitionBy("domain").parquet(str(tmp_path / "out"))

    files = {path.name: len(list(path.glob("*.parquet"))) for path in (tmp_path / "out").glob("domain=*")}
    assert 1 <= files.pop("domain=large") <= 4
    assert files == {"domain=mid%2Fdle": 1, "domain=small": 1}
    again = documents.sparkSession.read.parquet(str(tmp_path / "out")).select("doc_id", "domain")
    assert sorted(map(tuple, again.collect())) == sorted(map(tuple, domains.select(*DOMAINS.names).collect()))
