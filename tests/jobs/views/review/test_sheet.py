"""A sheet computes nothing, is read back as any spreadsheet saves it, and names by line what it cannot take."""

import csv
import io
import shutil

import pytest

from jobs.store.reviews import read_reviews
from jobs.views.review.pool import Text
from jobs.views.review.session import Shown
from jobs.views.review.sheet import COLUMNS, export_sheet, import_sheet
from schemas.errors import RecipeError
from tests.jobs.views.review.build import make_build, open_session


@pytest.fixture
def place(tmp_path):
    return make_build(tmp_path / "w")


@pytest.fixture
def session(place):
    return open_session(place.path, pairs=20)


def read_rows(path):
    return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""), delimiter="\t"))


def write_rows(path, rows, encoding="utf-8-sig", delimiter="\t"):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    path.write_bytes(out.getvalue().encode(encoding))


def filled(session, path, answers):
    export_sheet(session, path)
    head, *rows = read_rows(path)
    for row, answer in zip(rows, answers, strict=False):
        row[COLUMNS.index("answer")] = answer
    return [head, *rows]


def test_the_sheet_has_the_questions_and_a_mark_for_excel(session, tmp_path):
    path = tmp_path / "q.tsv"
    assert export_sheet(session, path) == 20
    assert path.read_bytes().startswith(b"\xef\xbb\xbfnumber\tquery\t")
    rows = read_rows(path)
    assert (len(rows), {len(row) for row in rows}) == (21, {len(COLUMNS)})
    assert "<script>" in rows[1][1]  # text is text here
    assert not {"check", "estimate", "positive"} & {word for row in rows[1:] for word in row[-1].lower().split()}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " \n="])
def test_no_cell_is_a_formula(session, tmp_path, monkeypatch, start):
    harm = Text("d", f"{start}cmd|' /C calc'!A0", f"{start}1+1\n=2\t=3", "")
    monkeypatch.setattr(type(session), "show", lambda self, number: Shown(number, f"{start}HYPERLINK()", (harm,), harm))
    export_sheet(session, tmp_path / "q.tsv")
    cells = [cell for row in read_rows(tmp_path / "q.tsv") for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any(cell.startswith(("'=", "'+", "'-", "'@")) for cell in cells)


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8-sig", "\t"), ("utf-8", "\t"), ("utf-16", "\t"), ("utf-8", ","), ("utf-8", ";")]
)
def test_answers_are_read_back_as_any_spreadsheet_saves_them(session, place, tmp_path, encoding, delimiter):
    path = tmp_path / "q.tsv"
    rows = filled(session, path, ["yes", "N", " u ", "", "no"])
    rows[2][COLUMNS.index("why")] = "ünlike"
    write_rows(path, [*rows, ["", "", ""]], encoding, delimiter)
    assert import_sheet(session, path) == (4, 16)
    assert import_sheet(session, path) == (0, 16)  # once more: nothing new
    found = {(each.query_key, each.text_key, each.purpose): each for each in read_reviews(place.store)}
    told = [found[(*session.pairs[at], session.questions[at].purpose)] for at in (0, 1, 2, 4)]
    assert [each.answer for each in told] == ["yes", "no", "unsure", "no"]
    assert told[1].why == "ünlike"
    assert [each.inclusion for each in told] == [session.questions[at].inclusion for at in (0, 1, 2, 4)]
    assert open_session(place.path, pairs=20).current() == 3
    assert export_sheet(session, path) == 16


def test_a_sheet_is_read_after_a_rebuild(session, place, tmp_path):
    path = tmp_path / "q.tsv"
    write_rows(path, filled(session, path, ["no"] * 20))
    shutil.rmtree(place.path / "tables")
    make_build(place.path, is_late=True)
    assert import_sheet(open_session(place.path, pairs=20), path) == (20, 0)


def test_every_row_at_fault_is_named_by_its_line_and_nothing_is_kept(session, place, tmp_path):
    path = tmp_path / "q.tsv"
    rows = filled(session, path, ["yes", "maybe", "no", "no"])
    rows[3][-1] = rows[3][-1][:-8] + "AAAAAAA="
    rows[4][-1] = "pw1."
    write_rows(path, rows)
    with pytest.raises(RecipeError) as failure:
        import_sheet(session, path)
    assert [fault.removeprefix(f"{path} ")[:40] for fault in failure.value.faults] == [
        "line 3: answer must be yes, no or unsure",
        "line 4: the last cell must be as it was ",
        "line 5: the last cell must be as it was ",
    ]
    assert "got 'maybe'" in failure.value.faults[0]
    assert read_reviews(place.store) == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a\tb\n1\t2\n", "must have the columns answer and row"),
        (b"", "must have the columns answer and row"),
        (b"number\tanswer\trow\n1\t\xe9\tx\n", "must be UTF-8"),
    ],
)
def test_what_is_no_sheet_is_one_line(session, tmp_path, content, told):
    (tmp_path / "q.tsv").write_bytes(content)
    with pytest.raises(RecipeError, match=told):
        import_sheet(session, tmp_path / "q.tsv")
    with pytest.raises(RecipeError, match="cannot be read"):
        import_sheet(session, tmp_path / "none.tsv")
