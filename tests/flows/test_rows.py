"""The order of axes on which sums over samples rely."""

import pytest
import torch

from nfvae.flows.planar import Planar
from nfvae.flows.rows import from_rows, to_rows


@pytest.mark.parametrize("sample", [(), (5,), (5, 2)])
@pytest.mark.parametrize("batch", [(), (3,), (3, 4)])
def test_unfolding_undoes_folding_and_rows_belong_together(sample, batch):
    z = torch.randn(*sample, *batch, 6)
    folded = to_rows(z, torch.Size(batch))
    assert folded.shape == (torch.Size(batch).numel(), torch.Size(sample).numel(), 6)
    assert from_rows(folded, z.shape).equal(z)
    if sample == (5,) and batch == (3,):
        assert folded[2, 4].equal(z[4, 2])


@pytest.mark.parametrize("shape", [(4,), (10, 1, 4), (10, 4), (5, 10, 4)])
def test_points_of_another_batch_are_refused(shape):
    flow = Planar(4, 2)
    with pytest.raises(ValueError, match="do not belong to parameters of batch shape"):
        flow(torch.randn(shape), torch.randn(5, flow.param_size))
