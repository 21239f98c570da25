"""The stage over a small corpus, with a server that a function plays; the end-to-end test has the real one."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyspark.sql import functions as F

import jobs.synthesise as stage
from jobs.engines.lucene import build_lucene, in_order
from jobs.runtime.stage_run import StageRun
from jobs.store.layout import SHOTS
from pipeline.contract import frame_of
from pipeline.guard.config import GuardConfig
from pipeline.ids import hash_text
from pipeline.index.config import IndexConfig
from pipeline.pair.config import PairConfig
from pipeline.synthesise.config import SynthesiseConfig
from schemas.documents import DOCUMENTS, DOMAINS, ERASED, EVAL_CORPUS, EVAL_QUERIES
from schemas.errors import EngineError, RecipeError
from schemas.pairs import NEGATIVE, POSITIVES, QUERY, REPLIES, REQUESTS, SYNTHETICS

pytestmark = pytest.mark.engine

# (doc_id, gold query or None, text)
CORPUS = [
    (
        "bees",
        "how do bees talk",
        (
            "Bees returning to the hive perform a waggle dance whose angle shows the direction of flowers, "
            "and whose duration shows how far away they are. Other bees follow the dancer."
        ),
    ),
    (
        "honey",
        "what is honey made of",
        (
            "Nectar is collected by worker insects, reduced by evaporation in the combs and sealed "
            "under wax, where it keeps for years because it holds so little water."
        ),
    ),
    (
        "locks",
        "how does a canal lock work",
        (
            "The boat enters the chamber, the gates close behind it, and water is let in or "
            "out until the level equals that of the next stretch of the canal."
        ),
    ),
    (
        "bread",
        None,
        (
            "Dough rises because yeast ferments the sugars of flour and gives off carbon dioxide, which the gluten "
            "network holds in bubbles. Cold slows the yeast down considerably."
        ),
    ),
    (
        "tides",
        None,
        (
            "The pull of the moon raises the sea on the near side and on the far side of the earth, so that most "
            "coasts see high water about twice in every lunar day."
        ),
    ),
    (
        "glass",
        None,
        (
            "Sand melts at about seventeen hundred degrees; soda lowers that point, and lime makes the cooled glass "
            "stable against water. Colours come from traces of metals."
        ),
    ),
]
WRITTEN = {
    "bread": "why dough rises with yeast",
    "tides": "moon pull and high water on coasts",
    "glass": "melting sand",
}
INVENTED = "A text about wool, which sheep grow all year and which is shorn before the warm months begin."


class Run:
    """What a stage is handed, over plain folders."""

    server_ahead = None

    def __init__(self, spark, home: Path, frames, **settings) -> None:
        self.spark, self.home, self.frames, self.notes = spark, home, frames, {}
        cfg = SynthesiseConfig(**{"shots": 1, "negative_shots": 1, "concurrency": 4} | settings)
        self.recipe = SimpleNamespace(
            name="r", synthesise=cfg, guard=GuardConfig(), pair=PairConfig(), seed=7, model_path=Path
        )
        self.digests = stage.writer_digest(self.recipe)
        self.cache_dir, self.log_dir, self.scratch = (
            home / "cache",
            home / "logs",
            home / f"scratch{len(list(home.iterdir()))}",
        )
        self.scratch.mkdir()

    def read(self, table):
        return self.frames[table.name]

    def source_of(self, _) -> Path:
        return self.home / "lucene"

    def write(self, frame, table) -> None:
        frame.write.parquet(str(self.scratch / "out" / table.name))

    def read_back(self, table):
        return self.spark.read.parquet(str(self.scratch / "out" / table.name))

    def note(self, **figures) -> None:
        self.notes |= figures

    time_engine, add_seconds = StageRun.time_engine, StageRun.add_seconds

    def progress(self, *_) -> None:
        pass

    def stop_spark(self) -> None:
        """Keep the session, which other tests share."""

    def rows(self, table) -> list[tuple]:
        return sorted(map(tuple, self.read_back(table).select(*table.names).collect()), key=str)


@pytest.fixture(scope="module")
def place(spark, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Make runs over one corpus; ``home`` decides which of them share a cache."""
    lucene = tmp_path_factory.mktemp("index") / "lucene"
    documents = frame_of(
        spark,
        DOCUMENTS,
        [
            (doc, "s", "f", i, None, "", text, [], doc, "facts", None, len(text), doc, None)
            for i, (doc, _, text) in enumerate(CORPUS)
        ],
    )
    positives = [(hash_text(query), query, doc, "title", 1.0, "facts", None) for doc, query, _ in CORPUS if query]
    frames = {
        "documents": documents,
        "domains": frame_of(spark, DOMAINS, [(doc, "facts") for doc, _, _ in CORPUS]),
        "positives": frame_of(spark, POSITIVES, positives),
        "eval_corpus": frame_of(spark, EVAL_CORPUS, []),
        "eval_queries": frame_of(spark, EVAL_QUERIES, [("e", "q", "melting sand", "facts")]),
    }
    build_lucene(in_order(documents), lucene, IndexConfig())

    def make(home: Path, **settings) -> Run:
        if not (home / "lucene").exists():
            (home / "lucene").symlink_to(lucene)
        return Run(spark, home, frames, **settings)

    return make


def asked_about(prompt: str) -> str:
    return next(doc for doc, _, text in CORPUS if text[:20] in prompt.split('"')[-2])


def well(body: dict) -> tuple[int, str]:
    """Write what a good model would."""
    if body["prompt"].endswith("=>"):
        return 200, " " + WRITTEN.get(asked_about(body["prompt"]), "nothing in particular here")
    return 200, f' "{INVENTED}"'


def test_texts_are_asked_for_judged_and_join_the_gold(place, tmp_path, server):
    with server(well) as (at, seen):
        run = place(tmp_path, queries=3, negatives=2, **at)
        stage.run(run)
    assert len(run.rows(REQUESTS)) == len(run.rows(REPLIES)) == len(run.rows(SYNTHETICS)) == len(seen) == 5
    reasons = {(row.kind, row.text): row.drop_reason for row in run.read_back(SYNTHETICS).collect()}
    assert reasons[(QUERY, WRITTEN["bread"])] is None
    assert reasons[(QUERY, WRITTEN["tides"])] is None
    assert reasons[(QUERY, "melting sand")] is not None  # two words, and protected
    assert sorted(row.drop_reason or "" for row in run.read_back(SYNTHETICS).where("kind = 'negative'").collect()) == [
        "",
        "duplicate_text",
    ]
    united = {(row.query, row.doc_id): row.rule for row in run.read_back(POSITIVES).collect()}
    gold = {(query, doc): "title" for doc, query, _ in CORPUS if query}
    assert united == gold | {(WRITTEN[doc], doc): "synthetic" for doc in ("bread", "tides")}
    assert run.notes["written"][QUERY]["kept"] == 2


def night(run: Run, without: str = "", erased: str = "") -> set[str]:
    """Return the prompts that a night plans, over a corpus in which a document is not there yet, or erased since."""
    documents, gold = run.frames["documents"], run.frames["positives"]
    is_there, is_erased = F.col("doc_id") != without, F.col("doc_id") == erased
    documents = documents.where(is_there).withColumn("drop_reason", F.when(is_erased, F.lit(ERASED)))
    run.frames = run.frames | {"documents": documents, "positives": gold.where(is_there & ~is_erased)}
    return {row.prompt for row in stage.plan(run).collect()}


def kept_shot(home: Path) -> tuple[Path, str]:
    """Return the only file of kept shots, and the document of the first."""
    (path,) = (home / "cache" / SHOTS / "r").iterdir()
    return path, json.loads(path.read_text())["shots"][0][3]


def test_shots_are_kept_over_a_night_until_one_is_erased_and_without_refresh_no_cache_matters(place, tmp_path):
    at = {"url": "http://localhost:1/v1", "model_name": "m", "refresh": 1.0}
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir(), other.mkdir()
    whole = night(place(other, **at))
    _, newest = kept_shot(other)
    before = night(place(home, **at), without=newest)
    first, old = kept_shot(home)
    assert before < night(place(home, **at))
    assert kept_shot(home) == (first, old)
    assert night(place(home, **at | {"refresh": 0.0})) == whole
    night(place(home, **at), erased=old)
    left, _ = kept_shot(home)
    assert old not in left.read_text()
    left.write_text(left.read_text()[:-3])
    assert night(place(home, **at)) == whole


def answered(run: Run) -> Run:
    """Have three queries and a negative answered, which is the part of the stage that meets a server."""
    prompts = [(f"r{doc}", QUERY, doc, None, f'"{text}" =>') for doc, query, text in CORPUS if not query]
    prompts.append(("rn", NEGATIVE, "bees", "q", f'q\n+ "{CORPUS[0][2]}"\n-'))
    run.write(frame_of(run.spark, REQUESTS, prompts), REQUESTS)
    run.write(stage.answer(run), REPLIES)
    return run


def test_negatives_are_asked_for_with_a_penalty_and_queries_without(place, tmp_path, server):
    bodies = []
    with server(lambda body: (bodies.append(body), well(body))[1]) as (at, _):
        answered(place(tmp_path, **at))
    assert {body.get("repetition_penalty") for body in bodies if body["prompt"].endswith("=>")} == {None}
    assert [body["repetition_penalty"] for body in bodies if body["prompt"].endswith("-")] == [1.15]


def test_a_rerun_asks_nothing_and_writes_the_same(place, tmp_path, server):
    with server(well) as (at, seen):
        first, again = answered(place(tmp_path, **at)), answered(place(tmp_path, **at))
    assert len(seen) == 4
    assert again.notes["remembered"] == 4
    assert again.rows(REPLIES) == first.rows(REPLIES)


def test_another_model_is_asked_anew(place, tmp_path, server):
    with server(well) as (at, seen):
        answered(place(tmp_path, **at))
        answered(place(tmp_path, **at | {"model_name": "other"}))
    assert len(seen) == 8


def test_equal_prompts_are_asked_once_and_answer_every_request(place, tmp_path, server):
    with server(well) as (at, seen):
        run = place(tmp_path, **at)
        twins = [(name, QUERY, "bread", None, f'"{CORPUS[3][2]}" =>') for name in ("one", "two")]
        run.write(frame_of(run.spark, REQUESTS, twins), REQUESTS)
        run.write(stage.answer(run), REPLIES)
    assert len(seen) == 1
    assert [row[1] for row in run.rows(REPLIES)] == [f" {WRITTEN['bread']}"] * 2


def test_a_server_that_dies_half_way_loses_nothing_and_the_rerun_asks_the_rest(place, tmp_path, server):
    answers = iter([True, True])
    dies = True

    def dying(body):
        return well(body) if not dies or next(answers, False) else (401, "gone")

    with server(dying) as (at, seen):
        with pytest.raises(EngineError, match="2 of 3 replies, which are kept"):
            answered(place(tmp_path, concurrency=1, **at))
        dies, before = False, len(seen)
        run = answered(place(tmp_path, concurrency=1, **at))
    assert len(seen) - before == 2
    assert run.notes["remembered"] == 2
    assert len(run.rows(REPLIES)) == 4


def test_a_refused_request_is_an_error_reply_and_is_asked_again_next_time(place, tmp_path, server):
    def picky(body):
        return (400, "too long") if "moon" in body["prompt"] else well(body)

    with server(picky) as (at, seen):
        run = answered(place(tmp_path, **at))
        assert {row[0]: row[2] for row in run.rows(REPLIES)} == {
            "rbread": "stop",
            "rglass": "stop",
            "rn": "stop",
            "rtides": "error",
        }
        assert run.notes["refused"] == 1
        answered(place(tmp_path, **at))
    assert len(seen) == 5


def test_a_server_that_refuses_everything_ends_the_stage(place, tmp_path, server):
    with server(lambda _: (400, "no such thing")) as (at, _), pytest.raises(EngineError, match="refuses every request"):
        answered(place(tmp_path, **at))


@pytest.mark.parametrize("why", ["off in the recipe", "vLLM cannot be had", "no language model is named"])
def test_without_a_model_the_gold_goes_on_alone_and_one_line_says_why(place, tmp_path, monkeypatch, why):
    monkeypatch.setattr("jobs.llm.model.why_no_vllm", lambda: "vLLM cannot be had")
    run = place(tmp_path, enabled="off" not in why, model="" if "named" in why else "small")
    stage.run(run)
    assert why in run.notes["headline"]
    assert "\n" not in run.notes["headline"]
    assert [len(run.rows(table)) for table in (REQUESTS, REPLIES, SYNTHETICS)] == [0, 0, 0]
    assert run.rows(POSITIVES) == sorted(map(tuple, run.read(POSITIVES).collect()), key=str)


def test_a_model_that_is_not_there_is_a_fault_of_the_recipe(place, tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.llm.model.why_no_vllm", lambda: None)
    with pytest.raises(RecipeError, match="model"):
        answered(place(tmp_path, model=str(tmp_path / "missing")))
