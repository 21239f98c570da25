"""What a person asked to be forgotten is in no table, those of what could not be read included."""

from pipeline.ingest.erase import erase_rejects
from schemas.documents import REJECTS


def reject(line, raw, detail="field 'text' must be a string, got int"):
    return ("s", "a.jsonl", line, "wrong_type", detail, raw)


def test_a_reject_keeps_no_bytes_where_an_erased_id_stands_in_them(rows):
    given = rows(
        REJECTS,
        reject(1, b'{"id": "mary-1", "text": 3, "note": "Mary lives in Graz"}'),
        reject(2, b'{"id": "mary-12", "text": 3}'),
        reject(3, "id;M\u00e4rz".encode()),
        reject(4, b"\xff\xfe\x00"),
    )

    found = {row.line: row for row in erase_rejects(given, ["M\u00e4rz", "mary-1 # asked in May"]).collect()}

    assert len(found) == 4
    assert [bytes(found[line].raw) for line in (1, 3)] == [b"", b""]
    assert found[1].detail == "erased on request"
    assert found[1].reason == "wrong_type"
    assert bytes(found[2].raw) == b'{"id": "mary-12", "text": 3}'
    assert bytes(found[4].raw) == b"\xff\xfe\x00"


def test_an_id_is_no_pattern(rows):
    given = rows(REJECTS, reject(1, b"id a.b here"), reject(2, b"id aXb here"), reject(3, b"id c\\Ed here"))

    found = {row.line: bytes(row.raw) for row in erase_rejects(given, ["a.b", "c\\Ed"]).collect()}

    assert found == {1: b"", 2: b"id aXb here", 3: b""}
