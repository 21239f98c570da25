"""Every drop reason names the setting that makes it, or says that none does."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import schemas
from pipeline.readers import records
from pipeline.recipe import Recipe
from schemas.reasons import _OF_TABLE, NO_SETTING, SETTING_OF, setting_of
from schemas.table import Table

MODULES = [importlib.import_module(f"schemas.{found.name}") for found in pkgutil.iter_modules(schemas.__path__)]
TABLES = {each.name: each for module in MODULES for each in vars(module).values() if isinstance(each, Table)}
REASONS = {reason for table in TABLES.values() for reason in table.reasons}
CODES = {value for name, value in vars(records).items() if name.isupper() and isinstance(value, str)}


def test_every_reason_of_every_table_has_a_setting_or_none():
    assert REASONS - {*SETTING_OF, *NO_SETTING} == set()
    assert not {*SETTING_OF} & {*NO_SETTING}
    assert {*SETTING_OF, *NO_SETTING} - REASONS - CODES == set()


def resolve(node: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = whole["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def test_every_named_setting_is_one_of_the_recipe():
    whole: dict[str, Any] = Recipe.json_schema()
    tables = (SETTING_OF, *_OF_TABLE.values())
    named = {each for found in tables for several in found.values() for each in several.split(", ")}
    for setting in sorted(named):
        node = whole
        for part in setting.split("."):
            node = resolve(node, whole)
            if "oneOf" in node:  # a setting of one format is one of the recipe
                kinds = [resolve(each, whole).get("properties", {}) for each in node["oneOf"]]
                node = {"properties": {name: each for kind in kinds for name, each in kind.items()}}
            if part == "<name>":
                node = node["items"]
            else:
                assert part in node["properties"], f"{setting}: no {part} among {sorted(node['properties'])}"
                node = node["properties"][part]


def test_the_same_code_of_another_table_is_another_setting():
    assert setting_of("text_too_short").startswith("synthesise.")
    assert setting_of("text_too_short", "contexts") == "passages.context"
    assert setting_of("exact_duplicate", "documents") == ""
