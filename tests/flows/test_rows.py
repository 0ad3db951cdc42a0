"""The order of axes on which sums over samples rely."""

import pytest
import torch

from nfvae.flows.rows import from_rows, to_rows


@pytest.mark.parametrize("sample", [(), (5,), (5, 2), (0,)])
@pytest.mark.parametrize("batch", [(), (3,), (3, 4), (0,)])
def test_from_rows_undoes_to_rows_and_samples_stay_with_their_batch_element(sample, batch):
    z = torch.randn(*sample, *batch, 6)
    rows = to_rows(z, torch.Size(batch))
    assert rows.shape == (torch.Size(batch).numel(), torch.Size(sample).numel(), 6)
    assert from_rows(rows, z.shape).equal(z)
    if sample == (5,) and batch == (3,):
        assert rows[2, 4].equal(z[4, 2])
