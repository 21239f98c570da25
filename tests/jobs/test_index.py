"""The index stage refuses texts that its analyser does not fit, and says so where none would."""

from types import SimpleNamespace

import pytest

from jobs.index import _check_language
from pipeline.index.config import IndexConfig
from schemas.errors import RecipeError
from tests.pipeline.index.test_analyser import CZECH, ENGLISH, GERMAN


@pytest.fixture
def check(spark):
    """Check documents of these texts against these settings; return what was remarked."""

    def of(texts, **settings):
        remarks = []
        run = SimpleNamespace(
            recipe=SimpleNamespace(index=IndexConfig(**settings), seed=13),
            remark=remarks.append,
        )
        rows = [(f"{n:03}", text) for n, text in enumerate(texts)]
        _check_language(run, spark.createDataFrame(rows, "doc_id string, text string"))
        return remarks

    return of


def test_texts_in_another_language_fail_the_stage_and_the_setting_is_named(check):
    with pytest.raises(RecipeError, match=r"index\.language must be the language of .* are de\), got 'en'"):
        check(GERMAN)


def test_a_language_without_an_analyser_is_remarked_on(check):
    (remark,) = check(CZECH)
    assert remark.startswith("100% of 30 documents looked at are in a language without an analyser (cs)")


@pytest.mark.parametrize("settings", [{"language": "de"}, {"max_foreign": 1.0}])
def test_the_right_language_and_no_bound_pass_in_silence(check, settings):
    assert check(GERMAN, **settings) == []


@pytest.mark.parametrize("texts", [[], ENGLISH + GERMAN, ENGLISH[:5]])
def test_no_documents_few_ones_and_a_mixture_are_no_reason_to_stop(check, texts):
    assert check(texts) == []
