"""The formats: each is known to recipes, folders and steps by its row alone."""

import pytest

from pipeline.readers.registry import FORMATS
from pipeline.recipe import Recipe


def test_every_format_is_a_choice_of_recipes():
    schema = Recipe.json_schema()
    kinds = [
        schema["$defs"][each["$ref"].rsplit("/", 1)[1]] for each in schema["properties"]["sources"]["items"]["oneOf"]
    ]

    assert [kind["properties"]["format"]["const"] for kind in kinds if "properties" in kind] == list(FORMATS)


@pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
def test_a_format_says_which_files_are_its_own(form):
    ways = [bool(form.suffixes), bool(form.layout), form.list_files is not None]

    assert ways.count(True) == 1
    assert bool(form.layout) == bool(form.folder)
