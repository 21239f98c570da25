"""Scores by content: a pair is scored once, under both texts, the model and its settings."""

from jobs.cache.scores import score_cache
from jobs.store.files import directory_digest
from pipeline.label.teacher import score_pairs


def test_scores_are_kept_by_both_texts(spark, folder, factory, asked):
    def scored(*pairs, settings=8):
        shape = "query_id string, doc_id string, query string, text string, query_key string, text_key string"
        frame = spark.createDataFrame(
            [(f"q{i}", f"d{i}", q, t, f"k{q}", f"k{t}") for i, (q, t) in enumerate(pairs)], shape
        )
        memory = score_cache(spark, folder / "cache", factory, settings)
        with_cache = sorted(score_pairs(frame, factory, memory).collect())
        seen = asked()
        assert with_cache == sorted(score_pairs(frame, factory).collect())
        asked()
        return seen, {row.teacher_model for row in with_cache}, memory.counts()

    assert scored(("x", "1"), ("x", "2"))[0] == ["x|1", "x|2"]
    model = directory_digest(folder / "model")
    assert scored(("x", "2"), ("y", "2"), ("x", "1")) == (["y|2"], {model}, {"cached": 2, "computed": 1})
    assert scored(("x", "1"), settings=16)[0] == ["x|1"]
    (folder / "model" / "weight").write_text("0.25")
    assert scored(("x", "1"))[0] == ["x|1"]
