"""The text layer of PDF files."""

from pathlib import Path

import pypdf
import pytest
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS


def write_pdf(path: Path, *pages: str, title: str = "", password: str = "") -> None:
    """Write a PDF with a line of Helvetica a page; an empty page has no text."""
    writer = pypdf.PdfWriter()
    for text in pages:
        page = writer.add_blank_page(400, 400)
        if text:
            font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
            named = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
            fonts = DictionaryObject({NameObject("/F1"): named})
            page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
            stream = DecodedStreamObject()
            stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
            page[NameObject("/Contents")] = stream
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(path)


def records(path, **settings):
    source = make_source(name="s", format="pdf", path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS["pdf"].read(unit, source)]


def test_pages_are_joined_and_the_title_is_not_repeated(tmp_path):
    write_pdf(tmp_path / "a.pdf", "Brewing tea", "Boil water.", "", "Wait.", title="Brewing tea")

    [found] = records(tmp_path)

    assert (found.native_id, found.title, found.text) == ("a.pdf", "Brewing tea", "Boil water.\n\nWait.")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("scan", "no_text_layer"),
        ("locked", "encrypted"),
        ("cut", "broken_pdf"),
        ("junk", "broken_pdf"),
        ("empty", "empty_file"),
        ("long", "too_large"),
    ],
)
def test_a_pdf_without_text_says_why(tmp_path, name, reason):
    path = tmp_path / f"{name}.pdf"
    write_pdf(path, "" if name == "scan" else "x" * 2000, password="key" if name == "locked" else "")
    if name == "cut":
        path.write_bytes(path.read_bytes()[:60])
    if name in ("junk", "empty"):
        path.write_bytes(b"no PDF at all" if name == "junk" else b"")

    [found] = records(tmp_path, max_bytes=1024)

    assert (found.reason, found.line) == (reason, 0)
    assert found.detail
