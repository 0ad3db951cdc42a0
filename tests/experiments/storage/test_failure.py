import pytest

from nfvae.errors import DivergenceError
from nfvae.experiments.storage.failure import failure_recorded, read_failure


def test_a_failure_is_kept_until_the_next_attempt(tmp_path):
    with pytest.raises(DivergenceError), failure_recorded(tmp_path):
        raise DivergenceError("loss was not finite at step 13")
    assert read_failure(tmp_path) == "loss was not finite at step 13"
    with failure_recorded(tmp_path):
        assert read_failure(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_stop_is_not_a_failure(tmp_path):
    with pytest.raises(KeyboardInterrupt), failure_recorded(tmp_path):
        raise KeyboardInterrupt
    assert read_failure(tmp_path) is None


def test_a_missing_folder_does_not_hide_the_error(tmp_path):
    with pytest.raises(DivergenceError, match="the first"), failure_recorded(tmp_path / "gone"):
        raise DivergenceError("the first")
