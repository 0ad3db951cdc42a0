"""The estimate of memory."""

import resource

import pytest
import torch

from nfvae.experiments.configuration.build import build_optimizer, build_vae
from nfvae.experiments.configuration.memory import (
    BYTES,
    available_memory,
    check_memory,
    model_size,
    numbers_per_parameter,
)
from nfvae.experiments.configuration.parts import flow_size
from nfvae.experiments.errors import ConfigError
from nfvae.flows import FLOWS

CPU, SHAPE = torch.device("cpu"), (1, 28, 28)


@pytest.mark.parametrize("dim", [5, 6])
@pytest.mark.parametrize("name", sorted(FLOWS))
def test_parameters_are_counted_without_building(make_config, name, dim):
    for K in [[], ["K=1"]] if name in ("none", "full_rank") else [["K=2"], ["K=12"]]:
        if name == "none" and K:
            continue
        config = make_config(
            f"flow={name}", f"model.latent_dim={dim}", "model.hidden=[8,9]", *K,
            "model.activation=gated",
        )  # fmt: skip
        vae = build_vae(config, SHAPE)
        assert model_size(config, SHAPE).num_parameters == sum(p.numel() for p in vae.parameters())
        size = flow_size(config.flow, dim, config.K)
        assert size.param_size == vae.flow.param_size


@pytest.mark.parametrize("optim", [("adam", 0.0), ("rmsprop", 0.0), ("rmsprop", 0.9)])
def test_what_training_keeps_is_what_the_optimizer_holds(make_config, optim):
    name, momentum = optim
    own = [] if name == "adam" else [f"optim.momentum={momentum}"]
    config = make_config(f"optim={name}", "model.hidden=[8]", *own)
    vae = build_vae(config, SHAPE)
    optimizer = build_optimizer(config.optim, vae.parameters())
    for parameter in vae.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    held = sum(p.nbytes + p.grad.nbytes for p in vae.parameters())
    moments = (t for s in optimizer.state.values() for t in s.values() if torch.is_tensor(t))
    held += sum(t.nbytes for t in moments if t.numel() > 1)
    estimate = (
        BYTES * model_size(config, SHAPE).num_parameters * numbers_per_parameter(config.optim)
    )
    assert estimate == pytest.approx(held, rel=1e-3)  # a weight alone is taken for a step counter


def test_any_number_of_transforms_is_sized_at_once(make_config):
    with pytest.raises(ConfigError, match=r"K=1000000000000 .* need about .* make some of them"):
        check_memory(make_config("flow=iaf", "K=1000000000000"), SHAPE, CPU)
    check_memory(make_config("K=80"), SHAPE, CPU)


@pytest.mark.parametrize("K", [5, 7, 8, 21, 40])
def test_pairs_of_transforms_are_counted(make_config, K):
    planar, radial = make_config(f"K={K}"), make_config("flow=radial", f"K={K}")
    assert flow_size(planar.flow, 3, K).working_size == K**2
    assert flow_size({**planar.flow, "fused": False}, 3, K).working_size == 0
    assert flow_size(radial.flow, 3, K).param_size == FLOWS["radial"](3, K).param_size


def test_limits_of_the_process_count(monkeypatch):
    whole = available_memory(CPU)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (10**8, 10**8))
    assert available_memory(CPU) == 10**8 < whole
