"""HTML files and WARC archives; tests/behaviour/test_bad_input.py has the broken ones."""

import gzip
import io
import time

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.formats.html_warc import decode_page, extract_page
from pipeline.readers.registry import FORMATS

PAGE = """<!DOCTYPE html><html><head><meta charset="{charset}"><title>{title} | The Tea Shop</title></head><body>
<nav><a href="/">Home</a> <a href="/shop">All our teas</a></nav>
<article><h1>{title}</h1><p>{first}</p><h2>Green tea</h2><p>{second} <b>Hotter</b> is bitter.</p>
<ul><li>two grams a cup</li><li>two minutes</li></ul><pre><code>pot = tea_for(2)
pot.pour()</code></pre><table><tr><th>tea</th><th>degrees</th></tr><tr><td>green</td><td>70</td></tr></table></article>
<footer>We use cookies. All rights reserved.</footer></body></html>"""
FIRST = "Boil fresh water and let it cool for a while, then pour it over the leaves and wait until it smells of tea."
SECOND = "Green tea wants water of seventy degrees, and no more than two minutes in it for the first pot."


def page(charset="utf-8", title="Brewing tea", first=FIRST, second=SECOND):
    return PAGE.format(charset=charset, title=title, first=first, second=second).encode(charset)


def records(form, path, **settings):
    source = make_source(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


def test_a_page_keeps_its_title_headings_lists_code_and_tables_and_leaves_the_rest(tmp_path):
    (tmp_path / "tea.html").write_bytes(page())

    [found] = records("html", tmp_path)

    assert (found.native_id, found.title) == ("tea.html", "Brewing tea")
    assert found.text.split("\n\n") == [
        FIRST,
        "## Green tea",
        SECOND + " Hotter is bitter.",
        "- two grams a cup\n- two minutes",
        "pot = tea_for(2)\npot.pour()",
        "tea | degrees\ngreen | 70",
    ]


CHINESE, JAPANESE = "先把水沸，再等一会，然后倒在茶上。", "お湯を沸かして、少し待って、茶葉に注ぎます。"


@pytest.mark.parametrize(
    ("charset", "text"), [("utf-8", CHINESE), ("gbk", CHINESE), ("shift_jis", JAPANESE), ("euc_jp", JAPANESE)]
)
def test_a_page_in_an_unspaced_script_is_read_in_the_character_set_it_names(charset, text):
    found = extract_page(decode_page(page(charset, "茶", first=text * 8, second=text * 3), "text/html"))

    assert found.title == "茶"
    assert found.text.startswith(text * 8)


def archive(*pages, packed=True):
    """Responses of (url, body, content type, status), with a request and the archive's own record between them."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=packed)
    writer.write_record(writer.create_warcinfo_record("a.warc", {"software": "test"}))
    for url, body, kind, status in pages:
        headers = StatusAndHeaders("GET / HTTP/1.1", [("Host", "x")], is_http_request=True)
        writer.write_record(writer.create_warc_record(url, "request", http_headers=headers))
        answer = StatusAndHeaders(status, [("Content-Type", kind)], protocol="HTTP/1.1")
        made = writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=answer)
        writer.write_record(made)
    return out.getvalue()


PAGES = [
    ("https://tea.example/1", page(), "text/html; charset=utf-8", "200 OK"),
    ("https://tea.example/2", b"\x89PNG", "image/png", "200 OK"),
    ("https://tea.example/3", page(), "text/html", "404 Not Found"),
    ("https://tea.example/4", page("gbk", "茶").replace(b'charset="gbk"', b""), "text/html;charset=GBK", "200 OK"),
    ("https://tea.example/5", b"<html><body></body></html>", "text/html", "200 OK"),
]


@pytest.mark.parametrize("packed", [True, False])
def test_an_archive_gives_its_pages_by_url_and_says_what_is_none(tmp_path, packed):
    (tmp_path / ("a.warc.gz" if packed else "a.warc")).write_bytes(archive(*PAGES, packed=packed))

    found = records("warc", tmp_path)

    assert [(r.line, r.native_id or r.reason, r.title) for r in found] == [
        (3, "https://tea.example/1", "Brewing tea"),
        (5, "not_a_page", ""),
        (7, "http_status", ""),
        (9, "https://tea.example/4", "茶"),
        (11, "no_main_text", ""),
    ]


def test_texts_that_were_extracted_before_are_taken_as_they_are(tmp_path):
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=False)
    text = io.BytesIO("Tee ist grün.".encode())
    writer.write_record(writer.create_warc_record("https://tea.example", "conversion", text))
    (tmp_path / "a.wet").write_bytes(out.getvalue())

    assert [(r.native_id, r.text) for r in records("warc", tmp_path)] == [("https://tea.example", "Tee ist grün.")]


def test_what_comes_before_a_break_is_read(tmp_path):
    one = archive(*PAGES[:1], packed=False)
    whole = archive(*PAGES[:1], *PAGES[:1], packed=False)
    (tmp_path / "a.warc").write_bytes(whole[:-200])
    (tmp_path / "b.warc.gz").write_bytes(gzip.compress(one) + gzip.compress(one)[:-200])
    (tmp_path / "c.warc").write_bytes(one + b"rubbish\r\n" + one)

    found = records("warc", tmp_path)

    assert [(r.path, r.line, r.reason) for r in found] == [
        ("a.warc", 3, None),
        ("a.warc", 5, "cut_record"),
        ("b.warc.gz", 3, None),
        ("b.warc.gz", 7, "broken_gzip"),
        ("c.warc", 3, None),
        ("c.warc", 4, "not_warc"),
    ]


def test_an_element_of_thousands_of_attributes_is_no_page(tmp_path):
    for name, attribute in {"a": "a{}=1", "b": "a{}='<'", "c": 'a{}=">"'}.items():
        attributes = " ".join(attribute.format(n) for n in range(20_000))
        (tmp_path / f"{name}.html").write_text(f"<html><body><div {attributes}>text</div></body></html>")

    started = time.monotonic()

    assert [record.reason for record in records("html", tmp_path)] == ["too_complex"] * 3
    assert time.monotonic() - started < 5


def test_a_long_value_is_one_attribute(tmp_path):
    drawing = " ".join(f"L {n} {n}" for n in range(5000))
    body = f"<svg><path d='{drawing}'/></svg><p>{'Boil the water, wait, and pour it over the leaves. ' * 8}</p>"
    (tmp_path / "a.html").write_text(f"<html><body>{body}</body></html>")

    assert [record.kind for record in records("html", tmp_path)] == ["document"]


def header(fields, body=b""):
    lines = [b"WARC/1.0", *fields, b"Content-Length: %d" % len(body), b"", body, b"", b""]
    return b"\r\n".join(lines)


WET = header([b"WARC-Type: conversion", b"WARC-Target-URI: http://a"], b"A good text of a page.")
REQUEST = header([b"WARC-Type: request", b"WARC-Target-URI: http://a"], b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    ("raw", "reasons"),
    [
        (WET + b"WARC/1.0\r\n" + b"X-Field: aaaaaaaaaa\r\n" * 200_000, [None, "not_warc"]),
        (WET + b"WARC/1.0\r\nX-Field: " + b"a" * 4_000_000, [None, "not_warc"]),
        (WET + b"\r\n" * 1_000_000, [None, "not_warc"]),
        (
            header(
                [b"WARC-Type: response", b"WARC-Target-URI: http://a"],
                b"HTTP/1.1 200 OK\r\n" + b"X-Field: aaaaaaaaaa\r\n" * 50_000,
            ),
            ["not_warc"],
        ),
        (WET + b"WARC/1.0\r\nWARC-Type: request\r\nX-Fie", [None, "cut_record"]),
        (
            WET + header([b"WARC-Type: request", b"WARC-Target-URI: http://a"], b"GET / HTTP/1.1\r\n\r\n")[:-15],
            [None, "cut_record"],
        ),
        (WET + header([b"WARC-Type: metadata"], b"x" * 300_000) + WET, [None, None]),
    ],
    ids=["lines", "one line", "empty lines", "http", "cut header", "cut body", "large body"],
)
def test_a_header_has_a_bound_and_an_end(tmp_path, raw, reasons):
    (tmp_path / "a.warc").write_bytes(raw)

    assert [record.reason for record in records("warc", tmp_path)] == reasons
