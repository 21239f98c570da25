"""The command: what it prints, what it writes, and what it refuses."""

import socket

import pytest

from jobs.cli.main import main
from jobs.store.open import open_store
from jobs.store.reviews import read_reviews
from jobs.views.review import server
from tests.jobs.views.review.build import make_build


@pytest.fixture
def place(tmp_path):
    (tmp_path / "docs.jsonl").write_text('{"text": "a text"}\n')
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: tiny\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
    make_build(tmp_path / "w")
    return recipe, tmp_path / "w"


def call(place, *flags):
    recipe, root = place
    with pytest.raises(SystemExit) as end:
        main(["review", str(recipe), "--workspace", str(root), *flags])
    return end.value.code


def test_a_sheet_goes_out_and_comes_back(place, tmp_path, capsys):
    sheet = tmp_path / "q.tsv"
    assert call(place, "--pairs", "20", "--export", str(sheet)) == 0
    assert f"20 questions in {sheet}; answer them, then --import {sheet}" in capsys.readouterr().out
    lines = sheet.read_text("utf-8-sig").splitlines()
    sheet.write_text("\n".join([lines[0], *(line.replace("\t\t\tpw1.", "\tn\t\tpw1.") for line in lines[1:])]), "utf-8")
    assert call(place, "--pairs", "20", "--import", str(sheet), "--as", "ana") == 0
    told = capsys.readouterr().out
    assert told.startswith(
        "20 new answers, 0 rows without one\nanswered     20 of 20 questions\ndelivered    negatives "
    )
    assert {each.reviewer for each in read_reviews(open_store(place[1]))} == {"person:ana"}


def test_the_page_is_for_this_machine_alone_and_ends_with_what_is_known(place, capsys, monkeypatch):
    seen = []

    def run(self, sockets):
        seen.append(sockets[0].getsockname()[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(server.uvicorn.Server, "run", run)
    assert call(place, "--pairs", "10") == 0
    first, address, *rest = capsys.readouterr().out.splitlines()
    assert first == "0 of 10 questions are answered; Ctrl-C ends the page, answers are kept"
    assert address.startswith("http://127.0.0.1:")
    assert len(address.split("/")[3]) >= 32
    assert rest[0] == "answered     0 of 10 questions"
    assert seen == ["127.0.0.1"]


def test_what_cannot_be_done_is_one_line(place, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert call(place, "--port", str(taken.getsockname()[1])) == 1
    assert "must be free, got Address already in use" in capsys.readouterr().err
    assert call(place, "--as", "a b") == 1
    assert "--as must be letters, digits, and . @ - _, got 'a b'" in capsys.readouterr().err
    assert call(place, "--export", "a", "--import", "b") == 1
    assert "one of --export and --import must be given" in capsys.readouterr().err
    assert call(place, "--pairs", "0") == 2
