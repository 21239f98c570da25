"""Which files a source means, and when their digest changes."""

import os
import re

import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.files import digest_source, list_files
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS
from schemas.errors import RecipeError


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_folder_gives_the_files_that_fit_the_format_in_order(tmp_path):
    write(tmp_path, b_DOT_jsonl="{}", a__c_DOT_jsonl="{}", _SUCCESS="", notes_DOT_txt="x")

    assert [file.path for file in list_files(make_source(name="s", format="jsonl", path=str(tmp_path)))] == [
        "a/c.jsonl",
        "b.jsonl",
    ]


def test_a_glob_and_a_file_name_what_they_name(tmp_path):
    write(tmp_path, a_DOT_log="x", b_DOT_log="y", c_DOT_txt="z")

    assert [f.path for f in list_files(make_source(name="s", format="text", path=f"{tmp_path}/*.log"))] == [
        "a.log",
        "b.log",
    ]
    assert [f.path for f in list_files(make_source(name="s", format="text", path=f"{tmp_path}/c.txt"))] == ["c.txt"]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (
            {"format": "jsonl", "path": "/no/such.jsonl"},
            "sources.s.path must name readable files, got '/no/such.jsonl', which does not exist",
        ),
        ({"format": "beir", "path": "/no/such"}, "without corpus.jsonl, queries.jsonl, qrels/train.tsv"),
        (
            {"format": "pydocs", "packages": ("no_such_package",)},
            "packages must be installed beside pairwright, got no_such_package",
        ),
    ],
)
def test_what_is_missing_is_said(source, fault):
    with pytest.raises(RecipeError, match=re.escape(fault)):
        list_files(make_source(name="s", **source))


def test_a_folder_without_a_fitting_file_says_which_would_fit(tmp_path):
    with pytest.raises(RecipeError, match=re.escape("holds no file ending in .jsonl")):
        list_files(make_source(name="s", format="jsonl", path=str(tmp_path)))


def test_packages_are_read_without_their_tests():
    files = list_files(make_source(name="s", format="pydocs", packages=("numpy", "stdlib", "typing_extensions")))

    assert {file.domain for file in files} == {"numpy", "stdlib", "typing_extensions"}
    paths = {file.path for file in files}
    assert {"numpy/__init__.py", "stdlib/json/decoder.py", "typing_extensions.py"} <= paths
    assert not [path for path in paths if "/tests/" in path or "site-packages" in path]


def test_all_installed_packages_leave_ourselves_out():
    domains = {file.domain for file in list_files(make_source(name="s", format="pydocs"))}

    assert {"stdlib", "pyspark", "numpy"} <= domains
    assert not domains & {"schemas", "pipeline", "jobs", "trainer"}


def test_the_digest_follows_contents_and_names_not_places_and_times(tmp_path):
    def digest(folder):
        return digest_source(make_source(name="s", format="text", path=str(folder)))

    one = write(tmp_path / "1", a_DOT_txt="same", b_DOT_txt="two")
    assert digest(one) == digest(write(tmp_path / "2", a_DOT_txt="same", b_DOT_txt="two"))
    assert digest(one) != digest(write(tmp_path / "3", a_DOT_txt="same", c_DOT_txt="two"))
    assert digest(one) != digest(write(tmp_path / "4", a_DOT_txt="same", b_DOT_txt="three"))


def test_names_are_printable_and_two_names_stay_two(tmp_path):
    names = [
        "good.txt",
        b"b\xff\xfe.txt",
        "b\\xff\\xfe.txt",
        "new\nline.txt",
        "esc\x1b[31m.txt",
        "zero\u200bwidth.txt",
        "caf\u00e9.txt",
        "cafe\u0301.txt",
        "two  spaces.txt",
        "two spaces.txt",
        "alone\u0301.txt",
        "l" * 250 + ".txt",
    ]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_text(f"A title\nand the text of {os.fsencode(name).hex()}")
    source = make_source(name="s", format="text", path=str(tmp_path))

    units = plan_units([source])
    found = [record for unit in units for record in FORMATS["text"].read(unit, source)]

    shown = {unit.path for unit in units}
    assert len(shown) == len(names)
    assert all(path.isprintable() and path.encode() for path in shown)
    assert {"good.txt", "b\\xff\\xfe.txt", "new\\x0aline.txt", "esc\\x1b[31m.txt", "caf\u00e9.txt"} <= shown
    assert {record.kind for record in found} == {"document"}
    assert len({record.text for record in found}) == len(names)
    assert all(unit.location.encode() for unit in units)
    assert len(digest_source(source)) == 32
