"""What is made once a user lies in the user's cache, or in a temporary folder where that cannot be written."""

from jobs.setup.user_cache import user_cache


def test_the_folder_is_pairwrights_own_below_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "pairwright"
    assert user_cache().is_dir()


def test_a_folder_that_cannot_be_written_gives_way_to_a_temporary_one(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert not user_cache().is_relative_to(tmp_path)
