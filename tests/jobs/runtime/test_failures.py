"""Any exception as one clear line of ours."""

from jobs.runtime.failures import house_error


def test_no_error_is_read_into_a_text_that_names_none() -> None:
    assert house_error("java.lang.IllegalStateException: EngineErrors happen") is None
