"""Weights and measurements take the streams of their purpose."""

import torch

from nfvae.data import Split
from nfvae.evaluation import estimate_elbo
from nfvae.experiments.configuration.build import build_vae, fit_arguments
from nfvae.experiments.configuration.parts import load_dataset
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.running.measure import measure
from nfvae.seeds import stream_seed


def test_weights(small_config):
    config = small_config("seed=3")
    vae = fit_arguments(config, load_dataset("mnist"), torch.device("cpu"))["vae"]
    torch.manual_seed(stream_seed(3, "weights"))
    same = build_vae(config, vae.image_shape).inference_parameters()
    assert all(map(torch.equal, vae.inference_parameters(), same))


def test_measurements(small_config, tiny_vae):
    config, vae = small_config("eval.seed=3").eval, tiny_vae().float()
    split = Split(255 * torch.randint(2, (50, *vae.image_shape), dtype=torch.uint8))
    noise = torch.Generator().manual_seed(stream_seed(3, "evaluation"))
    expected = estimate_elbo(vae, split, config.elbo_draws, noise).neg_elbo
    found = measure(vae, split, "test", config, "best", StopRequest(), show_progress=False)
    assert found["neg_elbo"] == expected
