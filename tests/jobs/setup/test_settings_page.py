"""The page of settings in the repository is the one that the classes make."""

from jobs.setup.settings_page import PAGE, main, page
from pipeline.recipe import Recipe


def test_the_page_in_the_repository_is_what_the_classes_say():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m jobs.setup.settings_page --write"


def test_every_setting_stands_on_the_page_once_with_its_meaning(capsys):
    main([])
    printed = capsys.readouterr().out
    for name, item in Recipe.model_fields.items():
        assert printed.count(f"| [`{name}`](#") + printed.count(f"| `{name}` |") >= 1
        assert item.description in printed
    for row in (line for line in printed.splitlines() if line.startswith("| ") and not line.startswith("| setting")):
        assert row.count("|") - row.count("\\|") in (5, 6), row
        assert row.split("|")[-2].strip(), row
