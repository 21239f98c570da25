"""Nothing that overlaps a protected evaluation set stays, and little else goes."""

from __future__ import annotations

import ast
import hashlib
import json
import random
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from pydoc_data.topics import topics
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import guard as job
from pipeline.contract import kept
from pipeline.guard.config import GuardConfig, holds_words
from pipeline.guard.leaks import drop_leaks, find_leaks, flag_leaks, protected_texts
from pipeline.guard.report import describe_leaks, describe_protected
from pipeline.ids import hash_text
from pipeline.text import normal_form, words
from schemas.documents import DOCUMENTS, DUPLICATES, EVAL_CORPUS, EVAL_QUERIES, LEAKS
from schemas.errors import ContractError, RecipeError

TESTED = (
    "Glaciers are rivers of ice that carve valleys as they creep downhill under their own weight, dragging rock "
    "along the bed and polishing it to a mirror over thousands of winters"
)
TEXTS, PROTECTED = "text_id string, text string", "eval_name string, eval_id string, role string, text string"
QUESTION = "how do glaciers carve deep valleys while they creep downhill under their own enormous weight"
OTHER = "Bakers fold butter into dough again and again until hundreds of thin layers puff up in a hot oven"


WAYS = pytest.mark.parametrize("way", [{}, {"one_task": -1}], ids=["one task", "joined"])


def document(doc_id: str, text: str, drop_reason: str | None = None) -> tuple[object, ...]:
    text_hash = hash_text(text)
    return (doc_id, "docs", "a.jsonl", 1, None, "", text, [], doc_id, "prose", None, len(text), text_hash, drop_reason)


def edit(text: str, share: float, rng: random.Random, vocabulary: list[str]) -> str:
    """Replace that share of the words, at random places, by random words."""
    parts = re.split(r"(\s+)", text)
    places = [i for i in range(0, len(parts), 2) if parts[i]]
    for i in rng.sample(places, round(len(places) * share)):
        parts[i] = rng.choice(vocabulary)
    return "".join(parts)


@pytest.fixture
def protected(rows):
    corpus = rows(EVAL_CORPUS, ("exam", "e1", TESTED, "ice", True), ("exam", "e2", OTHER, "food", False))
    queries = rows(EVAL_QUERIES, ("exam", "q1", QUESTION, "ice"), ("exam", "q2", "what is ice", "ice"))
    return protected_texts(corpus, queries)


def test_one_screen_example(rows, protected):
    middle = TESTED.split()[5:25]
    documents = rows(
        DOCUMENTS,
        document("copy", TESTED.replace(" ", "\n")),
        document("near", f"{TESTED} and more"),
        document("holds", f"{OTHER}. {TESTED}. {OTHER.upper()} once more"),
        document("passage", " ".join(middle)),
        document("asks", f"People wonder {QUESTION}, and so do I"),
        document("short", "Tell me, what is ice made of?"),
        document("clean", OTHER),
        document("gone", TESTED, "too_long"),
    )

    leaks = find_leaks(documents, rows(DUPLICATES), protected, GuardConfig()).localCheckpoint()

    assert sorted((r.doc_id, r.eval_id, r.kind, r.overlap) for r in leaks.collect()) == [
        ("asks", "q1", "contained", 1.0),
        ("copy", "e1", "exact", 1.0),
        ("holds", "e1", "contained", 1.0),
        ("near", "e1", "near", 0.935484),
        ("passage", "e1", "contained", 1.0),
    ]
    dropped = {r.doc_id: r.drop_reason for r in drop_leaks(documents, leaks).collect()}
    assert dropped == {
        "copy": "leak",
        "near": "leak",
        "holds": "leak",
        "passage": "leak",
        "asks": "leak",
        "short": None,
        "clean": None,
        "gone": "too_long",
    }


def test_a_cluster_goes_when_a_dropped_member_of_it_leaks(rows, protected):
    documents = rows(
        DOCUMENTS,
        document("survivor", OTHER),
        document("member", TESTED, "near_duplicate"),
        document("held", OTHER + " x", "held_out"),
        document("twin", TESTED + " x", "near_duplicate"),
    )
    duplicates = rows(DUPLICATES, ("member", "survivor", "near", 0.9, None), ("twin", "held", "near", 0.9, None))

    leaks = find_leaks(documents, duplicates, protected, GuardConfig()).localCheckpoint()

    # The twin's survivor is itself held out: nothing of that cluster could be trained on.
    assert sorted((r.doc_id, r.eval_id, r.kind) for r in leaks.collect()) == [
        ("member", "e1", "exact"),
        ("survivor", "e1", "exact"),
    ]
    dropped = {r.doc_id: r.drop_reason for r in drop_leaks(documents, leaks).collect()}
    assert (dropped["survivor"], dropped["member"]) == ("leak", "near_duplicate")


def unlike(texts: Iterable[str]) -> list[str]:
    """Return the texts of 25 to 200 words, each once."""
    return list({normal_form(text): text for text in texts if 25 <= len(words(text)) <= 200}.values())


def paragraphs() -> Iterator[str]:
    """Read the paragraphs of Python's reference topics."""
    for _, text in sorted(topics.items()):
        yield from re.split(r"\n\s*\n", text)


def docstrings() -> Iterator[str]:
    """Read the docstrings of the standard library's top modules, but for pdb's, which a reference topic repeats."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        if path.name == "pdb.py":
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield ast.get_docstring(node) or ""


@WAYS
def test_planted_leaks_are_found_and_clean_texts_kept(spark, way):
    rng = random.Random(4)
    tested, clean = rng.sample(unlike(paragraphs()), 200), unlike(docstrings())
    assert len(clean) > 1_000
    vocabulary = [word for text in clean[:100] for word in text.split()]
    planted = [(f"exact{i}", text) for i, text in enumerate(tested)]
    planted += [(f"edited{i}", edit(text, 0.1, rng, vocabulary)) for i, text in enumerate(tested)]
    planted += [(f"inside{i}", f"{clean[i]}\n\n{text}\n\n{clean[i + 1]}") for i, text in enumerate(tested)]
    planted += [(f"clean{i}", text) for i, text in enumerate(clean)]
    frame = spark.createDataFrame(planted, TEXTS)
    protected = spark.createDataFrame([("exam", str(i), "document", text) for i, text in enumerate(tested)], PROTECTED)

    flags = flag_leaks(frame, protected, GuardConfig(), **way).collect()

    counts = Counter(re.sub(r"\d", "", text_id) for text_id in {row["text_id"] for row in flags})
    assert counts["exact"] == 200
    assert counts["edited"] >= 0.97 * 200
    assert counts["inside"] == 200
    assert counts["clean"] <= 0.001 * len(clean), [row for row in flags if row["text_id"].startswith("clean")]
    assert all(row["eval_id"] == row["text_id"][5:] for row in flags if row["kind"] == "exact")


@WAYS
def test_what_everybody_holds_is_no_evidence(spark, way):
    header = "Licensed under the usual terms: you may not use this file but in compliance with what is said elsewhere"
    rng = random.Random(1)
    own = [" ".join(f"w{rng.randrange(10**6)}" for _ in range(8)) for _ in range(40)]
    texts = spark.createDataFrame([(str(i), f"{header} {text}") for i, text in enumerate(own)], TEXTS)
    held = f"{header} one two three four five six seven eight"
    protected = spark.createDataFrame([("exam", "e", "document", held)], PROTECTED)

    assert flag_leaks(texts, protected, GuardConfig(threshold=0.9), **way).collect() == []
    assert len(flag_leaks(texts, protected, GuardConfig(threshold=0.9, common=100), **way).collect()) == 40


@pytest.mark.parametrize("partitions", [1, 2, 7])
@WAYS
def test_results_do_not_depend_on_partitioning_nor_on_the_way(spark, protected, partitions, way):
    rng = random.Random(6)
    shares = [rng.choice([0, 0.1, 0.3]) for _ in range(30)]
    texts = [edit(rng.choice([TESTED, QUESTION]), share, rng, OTHER.split()) for share in shares]
    frame = spark.createDataFrame([(str(i), text) for i, text in enumerate(texts)], TEXTS)
    cfg = GuardConfig(common=100)
    expected = sorted(flag_leaks(frame.coalesce(1), protected.coalesce(1), cfg).collect())

    got = sorted(flag_leaks(frame.repartition(partitions), protected.repartition(partitions), cfg, **way).collect())

    assert got == expected
    assert 10 < len(got) < 30


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_agree_where_overlaps_of_all_kinds_abound(spark, seed):
    """Texts of few words out of few, without words, of scripts without spaces; thresholds that many pairs just meet."""
    rng = random.Random(seed)
    vocabulary = [*(f"w{i}" for i in range(12)), "猫", "数据", "é"]

    def texts(count: int, longest: int) -> list[str]:
        return [" ".join(rng.choices(vocabulary, k=rng.randint(0, longest))) for _ in range(count)]

    wanted = texts(60, 14)
    found = [*texts(200, 24), *(text.upper() for text in wanted[:9]), *(f"w1 {text} w2" for text in wanted[40:])]
    rows = [(f"e{i % 2}", str(i), "document" if i < 40 else "query", text) for i, text in enumerate(wanted)]
    frame = spark.createDataFrame([(str(i), text) for i, text in enumerate(found)], TEXTS)
    protected = spark.createDataFrame(rows, PROTECTED)
    cfg = GuardConfig(threshold=0.4, containment=0.375, ngram=2, common=40, min_shared=2, query_words=4)

    flags = sorted(flag_leaks(frame, protected, cfg).collect())

    assert flags == sorted(flag_leaks(frame, protected, cfg, one_task=-1).collect())
    assert min(Counter(flag.kind for flag in flags).values()) >= 9
    assert len({flag.kind for flag in flags}) == 3
    assert any(flag.kind == "contained" and flag.overlap < 1 for flag in flags)


@WAYS
def test_an_overlap_is_rounded_the_same_way(spark, way):
    """9 of 128 n-grams are 0.0703125: the seventh place is a tie."""
    held = [f"h{i}" for i in range(9)]
    texts = spark.createDataFrame([("a", " ".join([*held, *(f"a{i}" for i in range(119))]))], TEXTS)
    protected = spark.createDataFrame(
        [("exam", "e", "document", " ".join([*held, *(f"b{i}" for i in range(119))]))], PROTECTED
    )
    cfg = GuardConfig(ngram=1, containment=0.05)

    [row] = flag_leaks(texts, protected, cfg, **way).collect()

    assert (row.kind, row.overlap) == ("contained", 0.070313)


@pytest.mark.parametrize(("texts", "protected"), [(0, 0), (0, 1), (1, 0)])
@WAYS
def test_nothing_overlaps_nothing(spark, texts, protected, way):
    ours = spark.createDataFrame([("a", TESTED)] * texts, TEXTS)
    theirs = spark.createDataFrame([("exam", "e", "document", OTHER)] * protected, PROTECTED)

    assert flag_leaks(ours, theirs, GuardConfig(), **way).collect() == []


def test_what_is_kept_does_not_leak(rows, protected):
    rng = random.Random(7)
    texts = [edit(TESTED, share / 20, rng, OTHER.split()) for share in range(20)]
    documents = rows(DOCUMENTS, *[document(f"d{i:02}", text) for i, text in enumerate(texts)])
    cfg = GuardConfig(common=100)
    once = drop_leaks(documents, find_leaks(documents, rows(DUPLICATES), protected, cfg)).localCheckpoint()

    assert once.count() == 20
    assert 0 < kept(once).count() < 20
    assert find_leaks(once, rows(DUPLICATES), protected, cfg).count() == 0


TOKENS = ["a", "B", "ab", "é", "É", "数", ".", ","]


@given(st.lists(st.sampled_from(TOKENS), max_size=12), st.lists(st.sampled_from(TOKENS[:-2]), min_size=1, max_size=3))
@settings(max_examples=300)
def test_words_are_held_when_they_stand_in_a_row(text, wanted):
    held, asked = words(" ".join(text)), words(" ".join(wanted))
    starts = range(len(held) - len(asked) + 1)

    assert holds_words(" ".join(text), " ".join(wanted)) == any(held[i : i + len(asked)] == asked for i in starts)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"query_words": 2}, r"query_words must be at least ngram \(3\)"),
        ({"containment": 0}, "containment must be between"),
        ({"threshold": 0.1, "permutations": 4}, "permutations must be enough"),
        ({"jaccard": 1}, "known settings"),
    ],
)
def test_impossible_settings_are_refused(given, fault):
    with pytest.raises(RecipeError, match=fault):
        GuardConfig.from_mapping(given)


def test_the_report_says_what_was_cut_and_why_under_checksums(rows, protected):
    documents = rows(
        DOCUMENTS,
        document("copy", TESTED.replace(" ", "\n")),
        document("near", f"{TESTED} and more"),
        document("asks", f"People wonder {QUESTION}, and so do I"),
        document("clean", OTHER),
    )
    leaks = find_leaks(documents, rows(DUPLICATES), protected, GuardConfig()).localCheckpoint()

    [guarded] = describe_protected(protected.repartition(3)).collect()
    told = {row.kind: row for row in describe_leaks(leaks.repartition(3)).collect()}

    assert (guarded.eval_name, guarded.documents, guarded.queries) == ("exam", 1, 2)
    texts = [("e1", "document", TESTED), ("q1", "query", QUESTION), ("q2", "query", "what is ice")]
    assert guarded.sha256 == sorted_sha256([{"eval_id": e, "role": role, "text": text} for e, role, text in texts])
    assert {kind: (row.documents, row.least) for kind, row in told.items()} == {
        "exact": (1, 1.0),
        "near": (1, 0.935484),
        "contained": (1, 1.0),
    }
    [cut] = [row.asDict() for row in leaks.collect() if row.kind == "near"]
    assert told["near"].sha256 == sorted_sha256([cut])


def sorted_sha256(rows: list[dict[str, object]]) -> str:
    """Return the checksum that the report promises, as anybody would compute it."""

    def sha256(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    return sha256("\n".join(sorted(sha256(json.dumps(row, separators=(",", ":"))) for row in rows)))


def test_a_table_that_is_not_documents_is_refused(spark, rows):
    with pytest.raises(ContractError, match=r"documents must have the columns source"):
        drop_leaks(spark.createDataFrame([("a", None)], "doc_id string, drop_reason string"), rows(LEAKS))


def test_the_job_says_so_when_nothing_is_protected(spark, rows):
    tables = {
        DOCUMENTS: rows(DOCUMENTS, document("a", TESTED)),
        DUPLICATES: rows(DUPLICATES),
        EVAL_CORPUS: rows(EVAL_CORPUS, ("exam", "e1", TESTED, "ice", False)),
        EVAL_QUERIES: rows(EVAL_QUERIES),
    }
    written, notes = {}, {}
    run = SimpleNamespace(
        recipe=SimpleNamespace(guard=GuardConfig()),
        read=tables.__getitem__,
        read_back=written.__getitem__,
        write=lambda frame, table: written.update({table: frame.localCheckpoint()}),
        note=notes.update,
    )

    job.run(run)

    assert notes == {"protected": [], "warning": job.NOTHING_PROTECTED, "leaks": []}
    assert written[LEAKS].count() == 0
    assert kept(written[DOCUMENTS]).count() == 1


@WAYS
def test_the_same_text_is_exact_and_the_same_words_are_near(spark, way):
    told = [("x", "🍕🍕"), ("y", "Ice  is\ncold today"), ("z", "ice is cold today!")]
    texts = spark.createDataFrame(told, TEXTS)
    guarded = [("e", "1", "query", "🍕🍕"), ("e", "2", "document", "Ice is cold today")]
    protected = spark.createDataFrame(guarded, PROTECTED)

    found = flag_leaks(texts, protected, GuardConfig(), **way).collect()

    assert sorted((row.text_id, row.eval_id, row.kind) for row in found) == [
        ("x", "1", "exact"),
        ("y", "2", "exact"),
        ("z", "2", "near"),
    ]
