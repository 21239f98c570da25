"""docs/stages.md: a section a stage as it is declared, and rows with columns that the tables have."""

import importlib
import json
import pkgutil
import re

import pytest

import schemas
from jobs.runtime.registry import STAGES
from schemas.table import Table
from tests.docs import stages
from tests.docs.stages import HEAD, describe_stage, renew_heads

PAGE = stages.PAGE.read_text(encoding="utf-8")
MODULES = [importlib.import_module(f"schemas.{found.name}") for found in pkgutil.iter_modules(schemas.__path__)]
TABLES = {each.name: each for module in MODULES for each in vars(module).values() if isinstance(each, Table)}


def test_there_is_a_section_for_every_stage_in_the_order_of_the_build():
    assert PAGE.startswith(HEAD)
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_section_says_what_the_stage_declares(stage):
    assert describe_stage(stage) in PAGE, "write it anew: python -m tests.docs.stages"


def test_writing_the_heads_anew_leaves_the_rows(monkeypatch):
    assert renew_heads(PAGE) == PAGE
    monkeypatch.setitem(stages.PROSE, "mine", "Another text.")
    assert renew_heads(PAGE) == PAGE.replace(
        "Searches candidates for hard negatives, for every query with every retriever.", "Another text."
    )


def test_rows_have_columns_of_their_tables():
    blocks = re.findall(r"^`(\w+)`, [^\n]*:\n\n```json\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 15
    for name, lines in blocks:
        for line in lines.splitlines():
            assert set(json.loads(line)) <= set(TABLES[name].names), f"{name}: {line[:100]}"
