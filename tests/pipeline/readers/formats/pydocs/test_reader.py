"""Python files become documents by parsing alone."""

import pydoc_data.topics

import pytest

from pipeline.ingest.config import make_source
from pipeline.readers.formats.pydocs.reader import family_of, read_docstrings
from pipeline.readers.unit import Unit

SOURCE = make_source(name="docs", format="pydocs", packages=("pkg",), min_docstring=40)
CODE = '''"""A module about nothing in particular, with words enough to count as one.

It has a second paragraph, so that a text is left."""
raise SystemExit("never run")

if True:
    class Frame:
        """Hold rows and columns of data in one place.

        The frame is two-dimensional and may change its size."""

        def __init__(self, rows, *, columns=None): ...

        async def join(self, other, *args, how="left", **kw):
            """Join the columns of another frame to this one.

            Other frames are joined on their index, one after the other.

            See Also
            --------
            merge : For column-on-column operations.
            """

        def short(self):
            """Too short to be kept."""
'''


def read(tmp_path, code, path="pkg/core.py", source=SOURCE):
    file = tmp_path / "core.py"
    file.write_bytes(code if isinstance(code, bytes) else code.encode())
    unit = Unit(
        source.name, "documents", path, str(file), path.split("/")[0], 0, file.stat().st_size, 1, file.stat().st_size
    )
    return list(read_docstrings(unit, source))


def test_modules_classes_and_functions_are_found_with_their_arguments(tmp_path):
    found = [record for record in read(tmp_path, CODE) if record.kind == "document"]

    assert [(record.native_id, record.line, record.text.split("\n")[0]) for record in found] == [
        ("pkg.core", 1, "pkg.core"),
        ("pkg.core.Frame", 7, "class Frame(rows, columns)"),
        ("pkg.core.Frame.join", 14, "Frame.join(other, *args, how, **kw)"),
    ]
    assert found[2].title == "Join the columns of another frame to this one."
    assert found[2].text.split("\n")[1] == "Other frames are joined on their index, one after the other."
    assert (found[2].family, found[2].domain, found[2].package, found[2].links) == ("join", "pkg", "pkg", ["merge"])


def test_the_title_is_never_in_the_text(tmp_path):
    for record in read(tmp_path, CODE):
        assert not record.title or record.title not in record.text


def test_see_also_yields_what_it_says_about_the_other_symbol(tmp_path):
    [said] = [record for record in read(tmp_path, CODE) if record.kind == "see_also"]

    assert (said.native_id, said.links, said.text) == (
        "pkg.core.Frame.join",
        ["merge"],
        "For column-on-column operations.",
    )


def test_a_docstring_that_is_all_summary_keeps_it_as_text_without_a_title(tmp_path):
    code = 'def f(x):\n    """Return the one number which this function was made to return."""'

    [found] = read(tmp_path, code)

    assert (found.title, found.text) == ("", "f(x)\nReturn the one number which this function was made to return.")


def test_the_name_can_be_left_out(tmp_path):
    found = read(tmp_path, CODE, source=make_source(name="docs", format="pydocs", signature=False, min_docstring=40))

    assert found[0].text == "It has a second paragraph, so that a text is left."


def test_broken_python_is_rejected_with_its_line(tmp_path):
    [found] = read(tmp_path, "x = 1\ndef f(:\n")

    assert (found.kind, found.reason, found.line, found.raw) == ("reject", "syntax_error", 2, b"x = 1\ndef f(:\n")


def test_nul_bytes_in_python_are_a_reject_not_a_crash(tmp_path):
    [found] = read(tmp_path, b"x = 1\0\n")

    assert found.reason == "syntax_error"


def test_the_topics_of_the_language_reference_are_read_under_their_headings(tmp_path):
    from pathlib import Path

    code = Path(pydoc_data.topics.__file__).read_bytes()
    found = {record.native_id: record for record in read(tmp_path, code, "stdlib/pydoc_data/topics.py")}

    assert len(found) >= len(pydoc_data.topics.topics)
    assert found["topic:assert"].title == "The assert statement"
    assert found["topic:assert"].text.strip().startswith("Assert statements are a convenient way")
    assert "*****" not in found["topic:assert"].text


@pytest.mark.parametrize(
    ("symbol", "family"),
    [
        ("numpy.sum", "sum"),
        ("pandas.DataFrame._sum", "sum"),
        ("a.AsyncClient", "client"),
        ("a.__init__", "init"),
        ("a._", "a._"),
        ("a.async", "async"),
    ],
)
def test_variants_of_a_name_are_one_family(symbol, family):
    assert family_of(symbol) == family
