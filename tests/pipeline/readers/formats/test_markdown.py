"""Markdown files: which line is the title."""

import pytest

from pipeline.readers.formats.markdown import split_markdown


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Badge\n\n## Brewing tea ##\nBoil water.", ("Brewing tea", "Badge\n\nBoil water.")),
        ("Brewing tea\n---\nBoil water.", ("Brewing tea", "Boil water.")),
        ("```sh\n# a comment\n```\n# Tea\nx", ("Tea", "```sh\n# a comment\n```\nx")),
        ("~~~~\n~~~\n# inside\n~~~~\n# Tea", ("Tea", "~~~~\n~~~\n# inside\n~~~~")),
        ("---\ntitle: 'Tea'\ndate: 1\n---\n# Brewing\nx", ("Tea", "# Brewing\nx")),
        ("---\ndate: 1\n---\n# Brewing\nx", ("Brewing", "x")),
        ("#hashtag\nno heading", ("", "#hashtag\nno heading")),
        ("a paragraph\nof two lines\n---\nx", ("", "a paragraph\nof two lines\n---\nx")),
    ],
)
def test_a_markdown_file_is_titled_by_its_front_matter_or_first_heading(text, parts):
    assert split_markdown(text) == parts
