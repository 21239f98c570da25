"""A label of a page means what it means to browsers."""

import codecs

import pytest

from pipeline.readers.charsets import _CODECS, decode_labelled


@pytest.mark.parametrize(
    ("label", "raw", "text"),
    [
        ("iso-8859-1", b"\x80 \x93quoted\x94 \x81", "€ “quoted” \x81"),
        ("US-ASCII", b"caf\xe9", "café"),
        ("gb2312", "镕".encode("gbk"), "镕"),
        ("shift_jis", b"\x87\x40", "①"),
        ("ks_c_5601-1987", "똠".encode("cp949"), "똠"),
        ("iso-8859-9", b"\x80", "€"),
        ("utf-16", "näh".encode(), "näh"),
        ("latin1", codecs.BOM_UTF8 + "näh".encode(), "näh"),
        ("euc_jp", "茶".encode("euc-jp"), "茶"),
    ],
)
def test_a_label_is_read_as_browsers_do(label, raw, text):
    assert decode_labelled(raw, label, in_page=True) == text


@pytest.mark.parametrize("label", ["punycode", "unicode_escape", "utf-7", "idna", "hex", "no-such", None, ""])
def test_what_is_no_label_of_a_page_is_not_decoded(label):
    assert decode_labelled(b"abc", label, in_page=True) is None


def test_a_label_that_the_bytes_refute_is_none():
    assert decode_labelled(b"caf\xe9", "utf-8", in_page=False) is None


def test_every_codec_is_known():
    assert {codecs.lookup(codec).name for codec in _CODECS.values()}
