"""Settings: every fault at once, unknown keys refused, the JSON schema from the same place."""

from dataclasses import dataclass

import pytest

from schemas.config import Config, setting
from schemas.errors import RecipeError
from schemas.table import Column, Table


@dataclass(frozen=True)
class Inner(Config):
    """An inner section."""

    rate: float = setting(0.5, "a share", low=0.0, high=1.0)
    kind: str = setting("a", "a choice", choices=("a", "b"))


@dataclass(frozen=True)
class Outer(Config):
    """An outer section."""

    name: str = setting(doc="its name")
    size: int | None = setting(None, "a size", low=1)
    inner: Inner = setting(factory=Inner, doc="nested")
    many: tuple[Inner, ...] = setting((), "several")


def test_every_fault_is_named_at_once_with_its_place() -> None:
    given = {"size": 0, "inner": {"rate": 2, "kind": "z", "odd": 1}, "many": [{"rate": -1}], "wrong": 1}
    with pytest.raises(RecipeError) as caught:
        Outer.from_mapping(given, "recipe")
    text = str(caught.value)
    for part in (
        "recipe.wrong must be one of the known settings",
        "recipe.name is missing",
        "recipe.inner.odd",
        "recipe.many[0].rate must be between 0.0 and 1.0, got -1",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"name": 3}, "name must be of type string, got 3"),
        ({"name": "x", "size": True}, "size must be of type integer, got True"),
        ({"name": "x", "size": "7"}, "size must be of type integer, got '7'"),
        ({"name": "x", "inner": []}, "inner must be a mapping, got []"),
        ({"name": "x", "many": "ab"}, "many must be a list, got 'ab'"),
        ({"name": None}, "name must be set, got None"),
        ({"name": "x", "inner": {"rate": float("nan")}}, "rate must be between 0.0 and 1.0, got nan"),
    ],
)
def test_a_wrong_value_is_refused(given: dict[str, object], fault: str) -> None:
    with pytest.raises(RecipeError, match=fault.replace("[", r"\[").replace("]", r"\]")):
        Outer.from_mapping(given)


def test_a_mapping_survives_the_round_trip() -> None:
    config = Outer.from_mapping({"name": "x", "inner": {"rate": 1}, "many": [{"kind": "b"}]})
    assert Outer.from_mapping(config.to_mapping()) == config


def test_the_json_schema_holds_rules_and_defaults() -> None:
    schema = Outer.json_schema()
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["inner"]["properties"]["rate"] == {
        "type": "number",
        "description": "a share",
        "default": 0.5,
        "minimum": 0.0,
        "maximum": 1.0,
    }


def test_a_table_refuses_a_key_that_is_no_column() -> None:
    with pytest.raises(ValueError, match="key"):
        Table("t", 1, key=("b",), columns=(Column("a", "string", "a"),))
    with pytest.raises(ValueError, match="types"):
        Column("a", "varchar", "a")
