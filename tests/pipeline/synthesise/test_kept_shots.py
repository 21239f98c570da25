"""Which of yesterday's shots are shown again, and what retires them."""

import pytest
from pyspark.sql import functions as F

from pipeline.ids import hash_text
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.kept_shots import KEPT_SHOTS, describe_shots, keep_shots
from pipeline.synthesise.requests import choose_shots, plan_requests
from schemas.documents import ERASED
from schemas.pairs import POSITIVES, SURPLUS_PAIR

SEED = 7
SHOTS = (
    "domain string, place int, query_id string, query string, doc_id string, text string, negative_id string, "
    "negative string"
)


def asked(doc):
    return f"query of {doc}"


def corpus_of(corpus, *domains):
    """Four gold pairs a domain, x1 to x4, and x0 of no query: the negative of every shot."""
    return corpus(
        *[(f"{each}{i}", each, asked(f"{each}{i}") if i else None, None) for each in domains for i in range(5)]
    )


def shots_of(spark, documents, chosen):
    """The shots that show these documents, by domain."""
    texts = {row.doc_id: row.text for row in documents.collect()}
    rows = [
        (
            domain,
            place,
            hash_text(asked(doc)),
            asked(doc),
            doc,
            texts[doc],
            f"{domain}0",
            texts[f"{domain}0"],
        )
        for domain, docs in chosen.items()
        for place, doc in enumerate(docs, start=1)
    ]
    return spark.createDataFrame(rows, SHOTS)


def shown(frame):
    """The documents of each domain's shots, in the order of the prompt."""
    found = {}
    for row in sorted(frame.collect(), key=lambda row: (row.domain, row.place)):
        found.setdefault(row.domain, []).append(row.doc_id)
    return found


def test_a_new_document_changes_no_old_prompt_when_shots_are_kept_and_all_of_its_domain_otherwise(spark, corpus):
    cfg = SynthesiseConfig(shots=2, negative_shots=1, refresh=0.5)
    tonight = [frame.cache() for frame in corpus_of(corpus, "a", "b")]
    now = shown(choose_shots(*tonight, cfg, SEED))
    newest = now["a"][0]
    before = [tonight[0].where(F.col("doc_id") != newest), tonight[1], tonight[2].where(F.col("doc_id") != newest)]
    then = shown(choose_shots(*before, cfg, SEED))
    assert then["b"] == now["b"]
    old, new = (shots_of(spark, tonight[0], each) for each in (then, now))
    kept = keep_shots(new, describe_shots(old), tonight[0], tonight[2], cfg)

    def prompts(frames, shots):
        return {row.prompt for row in plan_requests(*frames, shots, cfg, SEED).collect()}

    first, again, anew = prompts(before, old), prompts(tonight, kept), prompts(tonight, new)
    assert first < again
    assert all(f"{newest} text" in prompt for prompt in again - first)
    assert {"b"} == {prompt.rpartition(" text ")[0][-2] for prompt in first & anew}  # of no document of domain a


def after(documents, positives, rows):
    """Tonight's tables: to each domain but the last has happened what its name says."""
    is_doc = {
        name: F.col("doc_id") == name
        for name in (
            "edited1",
            "editednegative0",
            "erased1",
            "erasednegative0",
            "gone1",
            "pairdropped1",
            "otherquery1",
            "newpositive1",
        )
    }
    other, erased = F.lit("other words"), F.lit(ERASED)
    documents = documents.withColumns(
        {
            "text": F.when(is_doc["edited1"] | is_doc["editednegative0"], other).otherwise(F.col("text")),
            "drop_reason": F.when(is_doc["erased1"] | is_doc["erasednegative0"], erased),
        }
    ).where(~is_doc["gone1"])
    positives = positives.withColumns(
        {
            "query": F.when(is_doc["otherquery1"], F.upper("query")).otherwise(F.col("query")),
            "drop_reason": F.when(is_doc["pairdropped1"], F.lit(SURPLUS_PAIR)),
        }
    )
    query = asked("newpositive1")
    known = (hash_text(query), query, "newpositive0", "links", 1.0, "newpositive", SURPLUS_PAIR)
    return documents, positives.unionByName(rows(POSITIVES, known))


@pytest.mark.parametrize("partitions", [1, 7])
def test_a_shot_that_does_not_hold_has_its_domain_chosen_anew_and_no_other(spark, corpus, rows, partitions):
    changed = [
        "edited",
        "editednegative",
        "erased",
        "erasednegative",
        "gone",
        "pairdropped",
        "otherquery",
        "newpositive",
    ]
    documents, _, positives = corpus_of(corpus, *changed, "holds")
    then = {each: [f"{each}{i}" for i in (1, 2)] for each in [*changed, "holds"]}
    now = {each: [f"{each}{i}" for i in (3, 4)] for each in [*changed, "holds"]}
    new, old = (shots_of(spark, documents, each) for each in (now, then))
    documents, positives = (frame.repartition(partitions) for frame in after(documents, positives, rows))
    got = keep_shots(new, describe_shots(old), documents, positives, SynthesiseConfig(refresh=1.0))
    assert got.columns == new.columns
    assert shown(got) == now | {"holds": then["holds"]}


def test_kept_shots_show_what_they_showed(spark, corpus):
    documents, _, positives = corpus_of(corpus, "a")
    then = shots_of(spark, documents, {"a": ["a4", "a1", "a3"]})
    then = then.withColumns({name: F.when(F.col("place") < 3, F.col(name)) for name in ("negative_id", "negative")})
    now = shots_of(spark, documents, {"a": ["a1", "a2", "a3"]})
    got = keep_shots(now, describe_shots(then), documents, positives, SynthesiseConfig(refresh=1.0))
    assert sorted(map(tuple, got.select(then.columns).collect())) == sorted(map(tuple, then.collect()))


def test_shots_are_chosen_anew_when_more_than_the_share_would_be_others(spark, corpus):
    documents, _, positives = corpus_of(corpus, "a", "b", "c", "d", "e")
    then = {"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3"], "c": ["c1"], "d": ["d1", "d2", "d3"]}
    now = {"a": ["a4", "a2", "a3"], "b": ["b4", "b2", "b1"], "c": ["c1", "c2", "c3"], "e": ["e1", "e2", "e3"]}
    moved = shots_of(spark, documents, now).withColumn(  # another negative is another shot
        "negative_id", F.when(F.col("doc_id") == "b2", F.lit("a0")).otherwise(F.col("negative_id"))
    )
    cfg = SynthesiseConfig(refresh=0.34)
    got = shown(keep_shots(moved, describe_shots(shots_of(spark, documents, then)), documents, positives, cfg))
    # One of three; two of three; too few of them; a domain that is gone; a new one.
    assert got == {"a": then["a"], "b": now["b"], "c": now["c"], "e": now["e"]}


def test_what_is_kept_says_nothing(spark, corpus):
    kept = describe_shots(shots_of(spark, corpus_of(corpus, "a")[0], {"a": ["a1"]}))
    assert kept.schema.simpleString() == spark.createDataFrame([], KEPT_SHOTS).schema.simpleString()
    (row,) = kept.drop("doc_id", "negative_id").collect()
    assert all(len(each) == 16 for each in (row.domain_id, row.query_id, row.shown))
