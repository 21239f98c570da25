"""YAML with keys that stand once, plain values alone, and nothing that grows when it is read."""

import pytest

from pipeline.strict_yaml import parse_yaml, read_yaml
from schemas.errors import RecipeError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[2e-5, 2.0e-5, 5E-2, .5, 1_000, 0x10, -3, +4]", [2e-5, 2e-5, 0.05, 0.5, 1000, 16, -3, 4]),
        ("[010, 1:30, 2024-01-01, 1.2.3, 0b1, 1__0]", ["010", "1:30", "2024-01-01", "1.2.3", "0b1", "1__0"]),
        ("[yes, no, on, off, true, n, null, ~]", [True, False, True, False, True, "n", None, None]),
        ('["\\ud83d\\ude00", "\\u00e9"]', ["😀", "é"]),
        ("- &d {a: 1, b: 2}\n- {<<: *d, b: 3}\n", [{"a": 1, "b": 2}, {"a": 1, "b": 3}]),
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("# nothing\n", None),
    ],
)
def test_a_value_is_what_was_written(text, value):
    found = parse_yaml(text, "r.yaml")

    assert found == value
    assert [type(each) for each in found or ()] == [type(each) for each in value or ()]


def test_every_key_given_twice_is_named_with_both_lines():
    with pytest.raises(RecipeError) as caught:
        parse_yaml("a: 1\nb: {c: 1, d: 2}\ne:\n  - f: 1\n    g: 2\n    f: 3\na: 4\n", "r.yaml")
    assert caught.value.faults == [
        "r.yaml:6 f must be given once, got it in line 4 as well; try one of the two",
        "r.yaml:7 a must be given once, got it in line 1 as well; try one of the two",
    ]


ALIASES = "\n".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 10)}]" for n in range(1, 12))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a:\n\t- b\n", "r.yaml:2 must be YAML, got found character .*; try spaces in place of the tab"),
        ("a: *.csv\n", "r.yaml:1 must be YAML.*; try quotes around a value that begins with \\*"),
        ("a: b: c\n", "r.yaml:1 must be YAML.*; try quotes around a value that holds a colon"),
        ('a: "C:\\data"\n', "r.yaml:1 must be YAML.*; try single quotes"),
        ("a: [b\n", "must be YAML.*; try a closing bracket"),
        ('a: "b\n', "must be YAML.*; try a closing quote"),
        ('a: "\\0"\n', "r.yaml:1 must be YAML.*special characters"),
        ('a: "\\ud800"\n', "r.yaml:1 must be YAML.*special characters"),
        ("a: \x07\n", "must be YAML.*special characters"),
        ("? [a]\n: b\n", "r.yaml:1 must be YAML, got found unhashable key"),
        ("a: !!python/object/apply:os.system [id]\n", "r.yaml:1 must be YAML.*the tag !!python"),
        ("a: !!binary aGk=\n", "the tag !!binary"),
        ("a: !!timestamp 2024-01-01\n", "the tag !!timestamp"),
        ("a: 1\n---\nb: 2\n", "r.yaml:2 must be one document, got a second"),
        ("[" * 3000 + "]" * 3000, "r.yaml:1 must be nested at most"),
        ("a: &a [*a]\n", "r.yaml:1 must not hold itself"),
        (f"k0: &k0 [x]\n{ALIASES}\n", "must hold at most 50000 values, got [0-9]{9}"),
    ],
)
def test_what_cannot_be_a_recipe_is_told_in_one_line(text, fault):
    with pytest.raises(RecipeError, match=fault) as caught:
        parse_yaml(text, "r.yaml")
    assert len(caught.value.faults) == 1
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_recipe_is_not_read_to_its_end(tmp_path):
    (tmp_path / "large.yaml").write_bytes(b"a: b\n" * (1 << 20))
    (tmp_path / "latin.yaml").write_bytes("a: b\nname: café\n".encode("latin-1"))

    with pytest.raises(RecipeError, match="must be at most 262144 bytes"):
        read_yaml(tmp_path / "large.yaml")
    with pytest.raises(RecipeError, match=r"latin.yaml:2 must be UTF-8, got a byte 0xe9"):
        read_yaml(tmp_path / "latin.yaml")
