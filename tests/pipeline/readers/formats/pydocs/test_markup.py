"""What a reader sees of a docstring: summary, body without marks, and where it sends its reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers.formats.pydocs.markup import plain_text, see_also, split_summary

NUMPYDOC = """Join a sequence of arrays along an existing axis.

Parameters
----------
a1, a2 : array_like
    The arrays, see :ref:`the guide <broadcasting>`.

See Also
--------
stack : Stack a sequence of arrays along a
    new axis.
:func:`hsplit`, vsplit
numpy.ma.concatenate

Notes
-----
stack : this is no entry."""


def test_a_numpydoc_docstring_parts_into_summary_and_body():
    title, body = split_summary(NUMPYDOC)

    assert title == "Join a sequence of arrays along an existing axis."
    assert body.startswith("Parameters\na1, a2 : array_like\n    The arrays, see the guide.")
    assert "---" not in body


def test_see_also_gives_names_with_what_is_said_about_them():
    assert see_also(NUMPYDOC) == [
        ("stack", "Stack a sequence of arrays along a new axis."),
        ("hsplit", ""),
        ("vsplit", ""),
        ("numpy.ma.concatenate", ""),
    ]


def test_the_seealso_directive_is_understood_too():
    text = "Sum.\n\n.. seealso:: :func:`torch.prod`, :meth:`~torch.Tensor.sum`\n\nMore :func:`other`."

    assert see_also(text) == [("torch.prod", ""), ("torch.Tensor.sum", "")]


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        (":class:`~numpy.ndarray` of :func:`x <numpy.y>`", "ndarray of x"),
        ("``axis`` and `b`, **bold** text", "axis and b, bold text"),
        ("[`~transformers.BertModel`] or [docs](https://a.b/c)", "BertModel or docs"),
        ("Title\n=====\nBody", "Title\nBody"),
        (".. versionadded:: 1.2\n.. note:: Mind this.\nUsage::", "Note: Mind this.\nUsage:"),
        (">>> a = `b`\n... **c**", ">>> a = `b`\n... **c**"),
        ("a * b ** c and x_1 - y", "a * b ** c and x_1 - y"),
    ],
)
def test_marks_go_and_what_they_mark_stays(marked, plain):
    assert plain_text(marked) == plain


@pytest.mark.parametrize(
    ("docstring", "title"),
    [
        ("Return it, e.g. Paris. Then stop.\n\nRest.", "Return it, e.g. Paris."),
        ("No full stop here\nnor here\n\nRest.", "No full stop here nor here"),
        ("add(x, y, /, out=None)\n\nAdd arguments.\n\nRest", "Add arguments."),
        ("Compute the sum.\nArgs:\n    x: a number", "Compute the sum."),
        ("Args:\n    x: a number", ""),
        ("vocab_size (`int`, *optional*):\n    Size of the vocabulary.", ""),
        (":param x: a number\n:returns: another", ""),
        ("display-name = phrase\n\nParse it.", ""),
        ("", ""),
    ],
)
def test_the_summary_is_the_first_sentence_of_prose(docstring, title):
    assert split_summary(docstring)[0] == title


def test_no_word_is_lost_between_summary_and_body():
    title, body = split_summary("First one. Second one\ngoes on.\n\nThird.")

    assert (title, body) == ("First one.", "Second one goes on.\n\nThird.")


@given(st.text(alphabet="ab .:`*_[]()-=~\n\\'\"#<>", max_size=200))
def test_any_text_is_survived_and_letters_outside_marks_are_kept(text):
    title, body = split_summary(text)
    see_also(text)

    assert len(title) + len(body) <= len(text) + 1
