"""Settings: every fault at once, unknown keys refused, the JSON schema from the same place."""

import json
import pickle

import pytest
from pydantic import ValidationError

from schemas.config import Config, setting
from schemas.errors import RecipeError
from schemas.table import Column, Table


class Inner(Config):
    """An inner section."""

    rate: float = setting(0.5, "a share", low=0.0, high=1.0)
    kind: str = setting("a", "a choice", choices=("a", "b"))


class Outer(Config):
    """An outer section, whose rules span settings and sections."""

    name: str = setting(doc="its name")
    size: int | None = setting(None, "a size", low=1)
    inner: Inner = setting(factory=Inner, doc="nested")
    many: tuple[Inner, ...] = setting((), "several")
    words: tuple[str, ...] = setting((), "words", choices=("x", "y"))
    shares: dict[str, int | float] = setting(factory=dict, doc="shares")

    def faults(self) -> list[str]:
        """Want a rate below the size."""
        return [f"size must be above the rate, got {self.size}"] if self.size and self.size <= self.inner.rate else []

    def faults_of_many(self) -> list[str]:
        """Want rates that differ."""
        return ["many must differ in rate"] if len({each.rate for each in self.many}) < len(self.many) else []


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
        ({"name": "x", "many": {}}, "many must be a list, got {}"),
        (
            {"name": "x", "words": ["x", 1, False]},
            "words[1] must be of type string, got 1; try quotes around it; words[2]",
        ),
        ({"name": "x", "words": ["x", "z"]}, "words must be one of x, y, got 'z'"),
        ({"name": "x", "shares": {"a": "1"}}, "shares.a must be of type number, got '1'"),
        ({"name": "x", "inner": {"rate": float("inf")}}, "rate must be between 0.0 and 1.0, got inf"),
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
    assert schema["$defs"]["Inner"]["properties"]["kind"]["enum"] == ["a", "b"]
    assert schema["$defs"]["Inner"]["properties"]["rate"] == {
        "type": "number",
        "description": "a share",
        "default": 0.5,
        "minimum": 0.0,
        "maximum": 1.0,
    }


def test_a_rule_over_settings_is_asked_when_what_it_reads_is_sound_whatever_else_is_at_fault() -> None:
    with pytest.raises(RecipeError) as caught:
        Outer.from_mapping({"name": 1, "size": 1, "inner": {"rate": 1.0, "kind": "z"}, "many": [{"odd": 1}, {}]})
    assert caught.value.faults == [
        "name must be of type string, got 1; try quotes around it",
        "inner.kind must be one of a, b, got 'z'",
        "many[0].odd must be one of the known settings (rate, kind), got 'odd'; try leaving it out",
        "size must be above the rate, got 1",
        "many must differ in rate",
    ]


def test_a_rule_that_reads_a_setting_at_fault_is_passed_over() -> None:
    with pytest.raises(RecipeError) as caught:
        Outer.from_mapping({"name": "x", "size": 1, "inner": {"rate": 2}, "many": ["a", {}, {}]})
    assert caught.value.faults == [
        "inner.rate must be between 0.0 and 1.0, got 2",
        "many[0] must be a mapping, got 'a'",
    ]


def test_plain_data_keeps_its_types_but_a_float_setting_is_a_float() -> None:
    config = Outer.from_mapping({"name": "x", "inner": {"rate": 1}, "words": ["x"], "shares": {"a": 1, "b": 0.5}})
    assert json.dumps(config.to_mapping()) == json.dumps(
        {
            "name": "x",
            "size": None,
            "inner": {"rate": 1.0, "kind": "a"},
            "many": [],
            "words": ["x"],
            "shares": {"a": 1, "b": 0.5},
        }
    )


def test_a_config_is_frozen_travels_and_is_checked_when_changed() -> None:
    config = Outer(name="x", many=(Inner(rate=0.1),))
    assert pickle.loads(pickle.dumps(config)) == config == config.replace()
    assert config.replace(size=3).size == 3
    with pytest.raises(RecipeError, match="size must be at least 1, got 0"):
        config.replace(size=0)
    with pytest.raises(ValidationError, match="frozen"):
        config.size = 3  # type: ignore[misc]


def test_a_table_refuses_a_key_that_is_no_column() -> None:
    with pytest.raises(ValueError, match="key"):
        Table("t", 1, key=("b",), columns=(Column("a", "string", "a"),))
    with pytest.raises(ValueError, match="types"):
        Column("a", "varchar", "a")
