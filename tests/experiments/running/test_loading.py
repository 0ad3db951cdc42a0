"""Which model of a run folder is loaded."""

import pytest

from nfvae.experiments.running.loading import load_vae


@pytest.mark.parametrize("checkpoint", ["Best", "best.pt", True])
def test_a_checkpoint_of_another_name_is_refused(checkpoint, tmp_path):
    with pytest.raises(ValueError, match=r"^checkpoint=.* allowed: 'best', 'last', None$") as told:
        load_vae(tmp_path, checkpoint)
    assert repr(checkpoint) in str(told.value)
