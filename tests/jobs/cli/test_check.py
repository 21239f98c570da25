"""The check of a recipe opens what it names, and says all of it in one go."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from jobs.cli.check import check_recipe, print_check
from jobs.cli.findings import answer_within


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """Two models: one that says how it pools, one that does not."""
    home = tmp_path / "models"
    for name in ("all-MiniLM-L6-v2", "plain"):
        (home / name).mkdir(parents=True)
        (home / name / "config.json").write_text('{"max_position_embeddings": 128}')
    (home / "all-MiniLM-L6-v2" / "modules.json").write_text('[{"type": "x.Transformer", "path": ""}]')
    monkeypatch.setenv("PAIRWRIGHT_MODELS", str(home))
    return home


@pytest.fixture
def check(tmp_path):
    def said(text, sources="[{name: s, format: csv, path: docs.csv}]"):
        (tmp_path / "docs.csv").write_text("id,title,text\n1,one,the first text of all\n")
        path = tmp_path / "recipe.yaml"
        path.write_text(f"name: case\nsources: {sources}\n{text}\n")
        _, findings = check_recipe(path)
        return [("warning: " if each.is_warning else "") + each.text for each in findings]

    return said


def write_beir(folder, split="test", judgement="q\td\t1"):
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    (folder / "corpus.jsonl").write_text('{"_id": "d", "text": "a document"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "a query"}\n')
    (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judgement}\n")


def test_a_recipe_whose_files_are_there_is_sound(check, tmp_path, capsys):
    write_beir(tmp_path / "beir")
    (tmp_path / "erased.txt").write_text("3f1c9a7be2d05a44\n")
    assert check("erase: erased.txt\nevaluation: [{name: b, path: beir}]\nmodels: models") == []
    assert print_check(tmp_path / "recipe.yaml") == 0
    assert "recipe case is sound" in capsys.readouterr().out


def test_a_path_that_names_nothing_is_a_warning_with_the_nearest_name(check, tmp_path, capsys):
    [said] = check("", "[{name: s, format: csv, path: dosc.csv}]")
    assert said.startswith("warning: sources.s.path must be the path of something that is there, got")
    assert said.endswith(f"did you mean {tmp_path}/docs.csv?")
    assert print_check(tmp_path / "recipe.yaml") == 0
    assert "sound" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "hint"),
    [("no/such/*.csv", "warning: "), ("*.tsv", "has docs.csv, models"), ("docs.csv/x.csv", "warning: ")],
)
def test_a_glob_or_folder_that_names_nothing_is_a_warning(check, path, hint):
    [said] = check("", f"[{{name: s, format: csv, path: '{path}'}}]")
    assert said.startswith("warning: sources.s.path")
    assert hint in said


def test_columns_that_a_file_has_not_are_told_with_the_nearest(check, tmp_path):
    (tmp_path / "faq.csv").write_text("Nr;Frage;Antwort\n1;a;b\n")
    fields = "fields: {id: nr, title: Titel, text: Antwrt}, delimiter: ';'"
    found = check("", f"[{{name: s, format: csv, path: faq.csv, {fields}}}]")
    assert found == [
        "sources.s.fields.text must be a field of faq.csv (Nr, Frage, Antwort), got 'Antwrt'; did you mean Antwort?",
        "sources.s.fields.id must be a field of faq.csv (Nr, Frage, Antwort), got 'nr'; did you mean Nr?",
        "sources.s.fields.title must be a field of faq.csv (Nr, Frage, Antwort), got 'Titel'",
    ]


def test_one_broken_file_among_others_is_a_warning_and_alone_a_fault(check, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.json").write_text("not json")
    [said] = check("", "[{name: s, format: json, path: pages}]")
    assert said.startswith("sources.s must give rows that can be read, got a.json")
    (tmp_path / "pages" / "b.json").write_text('[{"text": "a text"}]')
    [said] = check("", "[{name: s, format: json, path: pages}]")
    assert said.startswith("warning: sources.s must give rows that can be read, got a.json")


@pytest.mark.parametrize("path", ["~no-such-user-here/x", "a" * 300, "x/" + "é" * 200])
def test_a_path_that_can_be_none_is_told_once(check, path):
    for text, sources in (("", f"[{{name: s, format: jsonl, path: '{path}'}}]"), (f"erase: '{path}'", None)):
        [said] = check(text, *filter(None, [sources]))
        assert said.startswith(("sources[0].path must be a path", "erase must be a path"))


def test_a_header_of_one_column_is_told_its_delimiter(check, tmp_path):
    (tmp_path / "faq.csv").write_text("Nr;Frage;Antwort\n1;a;b\n")
    [said] = check("", "[{name: s, format: csv, path: faq.csv, fields: {text: Antwort}, delimiter: '|'}]")
    assert said.endswith("did you mean sources.s.delimiter: ';'?")
    assert check("", "[{name: s, format: csv, path: faq.csv, fields: {text: Antwort}}]") == []


def test_a_file_in_place_of_a_folder_is_a_fault(check, tmp_path):
    found = check("models: docs.csv\nevaluation: [{name: b, path: docs.csv}]\nlabel: {base: './docs.csv'}")
    assert "evaluation.b.path must be a folder, got " in "\n".join(found)


def test_a_file_without_the_default_name_is_told_the_usual_one(check, tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"key": 1, "body": "a text"}\n'))
    [said] = check("", "[{name: s, format: jsonl, path: a.jsonl.gz}]")
    assert said == "sources.s.fields.text must be a field of a.jsonl.gz (body, key), got ''; did you mean body?"


def test_what_the_settings_say_and_what_the_files_lack_is_told_in_one_go(check):
    found = check(
        "erase: erazed.txt\nencoder: {model: plain}\ntrain: {model: plain}\nlabel: {base: none}\nbucket: {min_sise: 3}",
        "[{name: a, format: csv, path: docs.csv, delimeter: ';', fields: {text: Text}}, "
        "{name: b, format: md, path: nowhere}]",
    )
    for start in (
        "sources[0].delimeter must be one of the known settings",
        "sources[1].format must be one of",
        "bucket.min_sise must be one of the known settings",
        "erase must be the path of something that is there",
        "encoder.model must be a model that says how it pools",
        "train.model must be a model that says how it pools",
        "warning: label.base must be the path of something that is there",
        "sources.a.fields.text must be a field of docs.csv (id, title, text), got 'Text'; did you mean text?",
        "warning: sources.b.path must be the path of something that is there",
    ):
        assert any(fault.startswith(start) for fault in found), (start, found)


def test_a_teacher_that_scores_no_pairs_is_told_before_anything_starts(check, models):
    plain = models / "plain" / "config.json"
    [said] = check("label: {model: plain}")
    assert said.startswith("label.model must be a model with a head that scores pairs (an architecture that ends in ")
    (models / "plain" / "model.safetensors").write_bytes(b"")
    scores = '"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}'
    plain.write_text(f'{{"max_position_embeddings": 128, {scores}}}')
    assert check("label: {model: plain}") == []
    [said] = check("label: {model: plain, max_length: 512}")
    assert said == "label.max_length must be at most 128, what plain reads, got 512"
    [said] = check("label: {model: ./nowhere}")
    assert said.startswith("warning: label.model must be the path of something that is there")


def test_a_model_that_reads_less_than_is_asked_for_is_a_fault(check):
    [said] = check("encoder: {max_length: 512}\nlabel: {enabled: false}")
    assert said.startswith("encoder.max_length must be at most 128")


@pytest.mark.parametrize(
    ("sets", "starts"),
    [
        ("{name: b, path: bier}", "warning: evaluation.b.path must be the path of something that is there"),
        ("{name: b, path: beir, split: dev}", "evaluation.b.path must be a BEIR folder"),
        ("{name: b, path: beir, split: bad}", "evaluation.b must give rows that can be read, got qrels/bad.tsv:2"),
    ],
)
def test_an_evaluation_set_is_opened(check, tmp_path, sets, starts):
    write_beir(tmp_path / "beir")
    write_beir(tmp_path / "beir", "bad", "q\td")
    [said] = check(f"evaluation: [{sets}]")
    assert said.startswith(starts)
    assert ("its splits are bad, test" in said) == ("dev" in sets)


class _Server(BaseHTTPRequestHandler):
    def do_GET(self):
        key = self.headers.get("Authorization")
        body = json.dumps({"data": [{"id": "qwen-small"}]}).encode()
        self.send_response(200 if key == "Bearer right" else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        return None


@pytest.fixture(scope="module")
def url():
    server = HTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def test_a_server_is_asked_for_its_models_and_its_key_is_never_shown(check, url, monkeypatch):
    ask = f"synthesise: {{url: '{url}', model_name: qwen-smal, api_key_env: PAIRWRIGHT_TEST_KEY}}"
    [no_key, refused] = check(ask)
    assert "synthesise.api_key_env must be a variable that is set" in no_key
    assert "HTTP 401" in refused
    monkeypatch.setenv("PAIRWRIGHT_TEST_KEY", "right")
    [said] = check(ask)
    assert said.endswith("got 'qwen-smal'; did you mean qwen-small?")
    assert check(ask.replace("qwen-smal,", "qwen-small,")) == []
    [gone] = check("synthesise: {url: 'http://me:secret@127.0.0.1:9/v1', model_name: m}")
    assert gone.startswith("warning: synthesise.url must be a server that answers")
    assert "secret" not in gone


def test_a_server_that_encodes_is_asked_as_one_that_writes(check, url, monkeypatch):
    monkeypatch.setenv("PAIRWRIGHT_TEST_KEY", "right")
    [said] = check(f"encoder: {{url: '{url}', model_name: bge, api_key_env: PAIRWRIGHT_TEST_KEY}}")
    assert said.startswith("warning: encoder.model_name must be a model of the server (qwen-small")


def test_texts_that_no_named_model_is_to_write_are_a_warning(check):
    [said] = check("synthesise: {queries: 100}")
    assert said.startswith("warning: synthesise.model must be named for the queries and negatives")
    assert check("synthesise: {shots: 8}") == []


def test_what_does_not_answer_in_time_is_left():
    with pytest.raises(TimeoutError, match="no answer within"):
        answer_within(0.05, threading.Event().wait)
