"""One step alone, through the command: any files in, one folder out, whole or not at all, everything accounted for."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from jobs.cli.main import main
from jobs.cli.steps import STEPS, find_documents, read_settings
from jobs.runtime.workspace import Workspace
from jobs.store.files import file_sha256
from pipeline.ingest.files import formats_in
from schemas.errors import RecipeError

WORDS = "tea leaf water pot cup brew steep kettle aroma green black white garden hill morning rain harvest basket"


def text_of(number: int) -> str:
    draw = random.Random(number)
    return " ".join(f"{word}{draw.randrange(9)}" for word in draw.choices(WORDS.split(), k=40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Files of three formats: twenty texts in JSON lines, one of them twice and one nearly, a page and a table."""
    home = tmp_path_factory.mktemp("files")
    lines = [{"id": f"n{number}", "title": f"Note {number}", "text": text_of(number)} for number in range(20)]
    lines.append({"id": "copy", "title": "Copy", "text": text_of(3)})
    lines.append({"id": "near", "title": "Near", "text": text_of(4) + " and more"})
    lines.append({"id": "short", "title": "Short", "text": "tea"})
    (home / "notes.jsonl").write_text("\n".join([*map(json.dumps, lines), "not json"]))
    (home / "page.md").write_text("# Page\n\n" + "\n\n".join(f"## Part {n}\n{text_of(n + 100)}." for n in range(4)))
    (home / "rows.csv").write_text("id,text,domain\n" + "".join(f"r{n},{text_of(n + 50)},tables\n" for n in range(12)))
    return home


@pytest.fixture
def run(spark, monkeypatch, capfd):
    """Run the command in this process, on the tests' session; return its exit status, line and complaint."""
    monkeypatch.setattr(Workspace, "spark", lambda _: spark)
    monkeypatch.setattr(Workspace, "stop_spark", lambda _: None)

    def command(*argv: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in argv])
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return command


def rows_of(path: Path) -> list[dict]:
    return ds.dataset(path, format="parquet", partitioning="hive").to_table().to_pylist()


def test_dedupe_through_the_real_command(folder, tmp_path):
    out = tmp_path / "deep" / "out"
    command = [
        sys.executable,
        "-m",
        "jobs.cli",
        "dedupe",
        str(folder),
        "--out",
        str(out),
        "--set",
        "dedupe.threshold=0.7",
        "--conf",
        "spark.driver.memory=512m",
    ]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )

    assert ended.returncode == 0, ended.stderr
    line = ended.stdout.strip()
    reasons = (
        r"(exact_duplicate 1|near_duplicate \(dedupe.threshold\) 1|too_short \(sources.<name>.min_chars\) 1|, ){5}"
    )
    counts = rf"36 -> 33 documents: {reasons}; 2 duplicates; 1 reject"
    assert re.fullmatch(rf"dedupe +{counts} +[\d.]+ s +[\d.,]+ rows/s, after [\d.]+ s to start Spark -> .*out", line)
    kept = {row["native_id"]: row["drop_reason"] for row in rows_of(out / "documents")}
    assert sorted({kept["copy"], kept["n3"]}, key=str) == [None, "exact_duplicate"]
    assert sorted({kept["near"], kept["n4"]}, key=str) == [None, "near_duplicate"]
    assert {row["kind"] for row in rows_of(out / "duplicates")} == {"exact", "near"}
    assert rows_of(out / "rejects")[0]["reason"] == "not_json"
    manifest = json.loads((out / "_manifest.json").read_text())
    assert manifest["settings"]["dedupe"]["threshold"] == 0.7
    for name, facts in manifest["outputs"].items():
        assert all(file_sha256(out / name / file["path"]) == file["sha256"] for file in facts["files"])
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_dedupe_by_meaning_and_by_runs_of_sentences(run, models, tmp_path):
    notice = "All of these recipes were tried at home. None of them needs an oven. Write to us if one fails."
    texts = {
        "one": "How do I make a cup of green tea at home?",
        "other": "How can I prepare a cup of green tea at home?",
        "bread": f"Knead the dough for ten minutes and let it rest. {notice}",
        "soup": f"Cut the carrots into thin slices and cook them slowly. {notice}",
    }
    file = tmp_path / "notes.jsonl"
    file.write_text("\n".join(json.dumps({"id": name, "text": text}) for name, text in texts.items()))
    settings = ("dedupe.semantic=0.9", "dedupe.spans=3", "dedupe.span_words=8", f"models={models}")
    flags = [part for each in settings for part in ("--set", each)]
    status, _, said = run("dedupe", file, "--out", tmp_path / "out", *flags)

    assert status == 0, said
    found = {row["native_id"]: row for row in rows_of(tmp_path / "out" / "documents")}
    assert [name for name, row in found.items() if row["drop_reason"]] == ["one"]  # the shorter of two alike
    (semantic,) = rows_of(tmp_path / "out" / "duplicates")
    assert (semantic["survivor_id"], semantic["kind"]) == (found["other"]["doc_id"], "semantic")
    assert 0.9 <= semantic["cosine"] < 1
    (repeat,) = rows_of(tmp_path / "out" / "repeats")
    assert repeat["kept_id"] == found["soup"]["doc_id"]  # the longer text keeps the notice
    assert found["bread"]["text"] == "Knead the dough for ten minutes and let it rest."
    assert found["soup"]["text"] == texts["soup"]


def test_steps_follow_each_other_and_what_was_dropped_stays_dropped(run, folder, tmp_path):
    evaluation = tmp_path / "eval"
    (evaluation / "qrels").mkdir(parents=True)
    (evaluation / "corpus.jsonl").write_text(json.dumps({"_id": "d", "title": "", "text": text_of(7)}))
    (evaluation / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "what leaks here"}))
    (evaluation / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")

    steps = [
        run("clean", folder / "notes.jsonl", "--out", tmp_path / "a"),
        run("dedupe", tmp_path / "a", "--out", tmp_path / "b"),
        run("guard", tmp_path / "b", "--out", tmp_path / "c", "--against", evaluation),
        run("bucket", tmp_path / "c", "--out", tmp_path / "d", "--set", "bucket.min_size=1"),
    ]

    assert [status for status, _, _ in steps] == [0, 0, 0, 0], steps
    assert "1 leak" in steps[2][1]
    reasons = {row["native_id"]: row["drop_reason"] for row in rows_of(tmp_path / "c" / "documents")}
    assert reasons["n7"] == "leak"
    assert reasons["short"] == "too_short"
    assert len(reasons) == 23
    kept, dropped = (rows_of(tmp_path / "d" / name) for name in ("documents", "dropped"))
    assert {row["domain"] for row in kept} == {"notes"}
    assert (len(kept), len(dropped)) == (19, 4)
    assert {row["doc_id"] for row in rows_of(tmp_path / "d" / "domains")} == {row["doc_id"] for row in kept}

    part = next((tmp_path / "a" / "documents").glob("part-*.parquet"))
    part.with_name("part-again.parquet").write_bytes(part.read_bytes())  # every row would count twice
    status, _, complaint = run("dedupe", tmp_path / "a", "--out", tmp_path / "e")
    assert (status, (tmp_path / "e").exists()) == (1, False)
    assert "no others, got part-again.parquet; try moving that file elsewhere" in complaint


def test_clean_marks_and_annotates(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Title\n" + "Buy now, it is cheap.\n" * 20)
    (tmp_path / "in" / "b.txt").write_text("Title\nThe cafÃ© near the station opens early, and closes rather late.\n")
    assert run("clean", tmp_path / "in", "--out", tmp_path / "out", "--set", "source.license=MIT")[0] == 0
    rows = {row["path"]: row for row in rows_of(tmp_path / "out" / "documents")}
    assert rows["a.txt"]["drop_reason"] == "repeated_lines"
    assert "café" in rows["b.txt"]["text"]
    assert rows["b.txt"]["license"] == "MIT"
    assert len(rows_of(tmp_path / "out" / "annotations")) == 2


def test_passages_are_cut_from_files_and_from_documents(run, models, folder, tmp_path):
    settings = ["--set", "passages.tokens=96", "--set", f"models={models}"]
    assert run("passages", folder / "page.md", "--out", tmp_path / "a", *settings)[0] == 0
    assert run("dedupe", folder / "page.md", "--out", tmp_path / "b")[0] == 0
    assert run("passages", tmp_path / "b", "--out", tmp_path / "c", *settings)[0] == 0

    first, second = ({row["doc_id"]: row for row in rows_of(tmp_path / name / "documents")} for name in "ac")
    assert first == second
    places = rows_of(tmp_path / "a" / "passages")
    assert max(row["tokens"] for row in places) <= 96
    titles = [first[row["doc_id"]]["title"] for row in sorted(places, key=lambda row: row["place"])]
    assert [title for title in titles if title] == ["Part 0", "Part 1", "Part 2", "Part 3"]


def planted(folder: Path, stated: int) -> Path:
    """Two subjects of forty texts each; the first so many of a subject say their domain."""
    subjects = {"drinks": WORDS, "rail": "train track signal station engine carriage platform ticket whistle gauge"}
    rows = [
        {
            "text": " ".join(random.Random(f"{subject}{n}").choices(words.split(), k=30)),
            "id": f"{subject}-{n}",
            **({"domain": subject} if n < stated else {}),
        }
        for subject, words in subjects.items()
        for n in range(40)
    ]
    (folder / "mixed.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "mixed.jsonl"


def test_bucket_by_a_classifier_keeps_what_is_stated_and_guesses_the_rest(run, tmp_path):
    command = ["bucket", planted(tmp_path, stated=25), "--out", tmp_path / "out", "--set", "bucket.min_size=10"]
    status, line, _ = run(*command, "--set", "bucket.rule=classifier")

    assert status == 0
    assert "80 documents in 2 domains (30 guessed, 30 of these believed; macro-F1 1.000 held out)" in line
    rows = rows_of(tmp_path / "out" / "documents")
    assert all(row["native_id"].startswith(row["domain"]) for row in rows)
    assert len(rows_of(tmp_path / "out" / "guesses")) == 30
    notes = json.loads((tmp_path / "out" / "_manifest.json").read_text())["notes"]
    assert notes["classifier"]["lessons"] == 50
    assert (tmp_path / "out" / "classifier" / "classifier.npz").is_file()


@pytest.mark.engine
def test_bucket_by_clusters_names_them(run, models, tmp_path):
    command = ["bucket", planted(tmp_path, stated=0), "--out", tmp_path / "out", "--set", "bucket.min_size=5"]
    status, _, said = run(
        *command, "--set", "bucket.rule=cluster", "--set", "bucket.cluster.clusters=2", "--set", f"models={models}"
    )

    assert status == 0, said
    owners = {(row["native_id"].split("-")[0], row["domain"]) for row in rows_of(tmp_path / "out" / "documents")}
    assert len(owners) == 2
    names = dict(owners)
    assert set(names["drinks"].split("-")) <= set(WORDS.split())


def test_an_out_that_exists_is_replaced_only_when_forced_and_only_if_ours(run, folder, tmp_path):
    out = tmp_path / "out"
    command = ["bucket", folder / "rows.csv", "--out", out, "--set", "bucket.min_size=1"]
    assert run(*command)[0] == 0
    before = (out / "_manifest.json").read_bytes()

    status, _, complaint = run(*command)
    assert (status, "exists; try --force" in complaint) == (1, True)
    assert (out / "_manifest.json").read_bytes() == before
    assert run(*command, "--force")[0] == 0
    assert (out / "_manifest.json").read_bytes() != before
    foreign = tmp_path / "mine"
    foreign.mkdir()
    assert "what a step wrote" in run("bucket", folder / "rows.csv", "--out", foreign, "--force")[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (
            ["dedupe", "{folder}", "--set", "dedupe.thresold=1"],
            "dedupe.thresold must be one of the known settings, got 'thresold'; did you mean threshold?",
        ),
        (
            ["dedupe", "{folder}", "--set", "guard.ngram=1"],
            "--set must be a setting of dedupe, source, encoder, models, seed, got 'guard'",
        ),
        (["dedupe", "{folder}", "--set", "dedupe"], "--set must be KEY=VALUE, got 'dedupe'"),
        (["dedupe", "{folder}/no-such"], "PATH must name files of a known format"),
        (["dedupe", "{folder}/*"], "PATH must name files of one format, got"),
        (["dedupe", "{folder}/notes.jsonl", "--set", "source.fields.text=body"], "must give documents, got none"),
        (["guard", "{folder}", "--against", "{folder}"], "must be a BEIR folder"),
        (["bucket", "{folder}/page.md", "--set", "bucket.rule=classifier"], "must have a source that says domains"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_and_leaves_nothing(run, folder, tmp_path, argv, complaint):
    status, _, said = run(*[each.format(folder=folder) for each in argv], "--out", tmp_path / "out")
    assert status == 1
    assert complaint in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_settings_come_from_a_file_and_the_command_line_goes_before_it(tmp_path):
    (tmp_path / "s.yaml").write_text("clean: {rules: false, languages: [en]}\nsource: {min_chars: 5}\n")
    got = read_settings(STEPS["clean"], tmp_path / "s.yaml", ["clean.languages=[de, zh]", "source.fields.text=body"])
    assert got == {
        "clean": {"repair": True, "rules": False, "languages": ["de", "zh"]},
        "source": {"min_chars": 5, "fields": {"text": "body"}},
    }
    (tmp_path / "s.yaml").write_text("- no mapping")
    with pytest.raises(RecipeError, match="--config must be a mapping"):
        read_settings(STEPS["clean"], tmp_path / "s.yaml", [])


def test_formats_are_told_by_the_names_of_files(folder, tmp_path):
    assert formats_in(str(folder), "more") == ["jsonl", "csv", "markdown"]
    assert formats_in(str(folder / "*.jsonl"), "more") == ["jsonl"]
    (tmp_path / "a.json.gz").touch()
    (tmp_path / "b.txt").touch()
    (tmp_path / "c.md").touch()
    (tmp_path / "d.html.gz").touch()  # not read packed
    assert formats_in(str(tmp_path), "more") == ["text", "json"]
    (tmp_path / "corpus.jsonl.zst").touch()
    assert formats_in(str(tmp_path), "more") == ["beir"]
    assert find_documents(folder) is None
