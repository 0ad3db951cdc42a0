"""The benchmarks: flows alone, training steps, the NLL, and scaling with each size.

All times are medians in milliseconds unless a name says otherwise.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nfvae.data import Dataset
from nfvae.evaluation import estimate_nll
from nfvae.experiments.benchmark.peers import FlowFunction, normflows_planar, pyro_planar
from nfvae.experiments.benchmark.planar_loops import PlanarBmmLoop, PlanarLoop
from nfvae.experiments.benchmark.textbook_step import TextbookStep
from nfvae.experiments.benchmark.timing import interleaved
from nfvae.experiments.configuration.build import fit_arguments
from nfvae.experiments.configuration.config import Config
from nfvae.flows import Flow
from nfvae.flows.planar import Planar
from nfvae.training import Training
from nfvae.vae import VAE

CPU = torch.device("cpu")


def flow_alone(dim: int, K: int, batch: int, repeats: int, peers: bool) -> dict[str, float]:
    """Forward and backward of K amortized planar transforms on one z per image."""
    flows: dict[str, FlowFunction] = {
        "nfvae": Planar(dim, K),
        "loop": PlanarLoop(dim, K),
        "bmm loop": PlanarBmmLoop(dim, K),
    }
    if peers:
        flows |= {"pyro": pyro_planar(dim, K), "normflows": normflows_planar(dim, K)}
    params = 0.3 * torch.randn(batch, Planar(dim, K).param_size)
    cases = {
        name: _forward_backward(flow, torch.randn(batch, dim), params)
        for name, flow in flows.items()
    }
    return _milliseconds(interleaved(cases, repeats))


def training_step(config: Config, data: Dataset, repeats: int) -> dict[str, float]:
    """A whole update: batch, bits, networks, flow, bound, backward, Adam.

    Also the time that its matrix products would take alone: 6 flops per parameter and image, at the
    best rate that this machine reaches on the model's shapes in the same run.
    """
    dim, K = config.latent_dim, config.K

    def state(flow: Flow | None) -> Training:
        made = _training(config, data)
        if flow is not None:
            made.vae.flow = flow
        return made

    own = state(None)
    cases: dict[str, Callable[[], object]] = {"nfvae": own.update}
    if K:
        cases["loop"] = state(PlanarLoop(dim, K)).update
        cases["bmm loop"] = state(PlanarBmmLoop(dim, K)).update
    cases["textbook"] = TextbookStep(state(PlanarBmmLoop(dim, K) if K else None))
    batch = config.trainer.batch_size
    products = dict(_products(own.vae, batch))
    times = interleaved(cases | products, repeats)
    rate = max(_flops(name) / times[name] for name in products)
    weights = sum(p.numel() for p in own.vae.parameters() if p.dim() == 2)
    limit = 6 * weights * batch / rate
    return _milliseconds({name: times[name] for name in cases} | {"matrix products": limit}) | {
        "gflops": rate / 1e9
    }


def compiled_step(config: Config, data: Dataset, repeats: int) -> dict[str, float]:
    """A whole update with and without `trainer.compile`, and seconds of the first compiled one."""
    trainer = config.trainer.model_copy(update={"compile": True})
    eager = _training(config, data)
    compiled = _training(config.model_copy(update={"trainer": trainer}), data)
    cold = _first_call(compiled.update)
    cases = {"eager": eager.update, "compiled": compiled.update}
    return _milliseconds(interleaved(cases, repeats)) | {"cold, s": cold}


def nll_throughput(
    config: Config, data: Dataset, images: int, num_samples: int, repeats: int
) -> float:
    """Decoded samples per second (images · S / time) of the importance-weighted NLL."""
    vae = _training(config, data).vae
    split = replace(data.test, images=data.test.images[:images])
    generator = torch.Generator().manual_seed(0)
    times = interleaved({"nll": lambda: estimate_nll(vae, split, num_samples, generator)}, repeats)
    return images * num_samples / times["nll"]


SCALING: dict[str, list[int]] = {
    "K": [1, 2, 4, 8, 16, 32, 64, 128],
    "D": [2, 4, 8, 16, 32, 64, 128, 256],
    "B": [1, 4, 16, 64, 256, 1024, 4096],
    "S": [1, 5, 20, 100, 500, 2000, 5000],
}


def scaling(repeats: int) -> list[dict[str, Any]]:
    """Forward and backward of the planar stack and of the loop, varying one size at a time.

    The other sizes are K = 16, D = 40, B = 100, S = 1. When S varies, B = 1 and only the forward
    pass is timed, as in the evaluation of an NLL. "axis" in a row names the size that varies.
    """
    rows = []
    for axis, values in SCALING.items():
        for value in values:
            size = {"K": 16, "D": 40, "B": 1 if axis == "S" else 100, "S": 1} | {axis: value}
            flows: dict[str, Flow] = {
                "nfvae": Planar(size["D"], size["K"]),
                "loop": PlanarLoop(size["D"], size["K"]),
            }
            params = 0.3 * torch.randn(size["B"], flows["nfvae"].param_size)
            z = torch.randn(size["S"], size["B"], size["D"])
            make = _forward if axis == "S" else _forward_backward
            cases = {name: make(flow, z, params) for name, flow in flows.items()}
            times = _milliseconds(interleaved(cases, repeats))
            rows.append({"axis": axis, **size, **times})
    return rows


def _training(config: Config, data: Dataset) -> Training:
    return Training(**fit_arguments(config, data, CPU))


def _forward_backward(flow: FlowFunction, z: Tensor, params: Tensor) -> Callable[[], object]:
    z, params = z.clone().requires_grad_(), params.clone().requires_grad_()

    def run() -> None:
        z_K, log_det = flow(z, params)
        z.grad = params.grad = None
        (z_K.sum() + log_det.sum()).backward()

    return run


def _forward(flow: FlowFunction, z: Tensor, params: Tensor) -> Callable[[], object]:
    @torch.inference_mode()
    def run() -> None:
        flow(z, params)

    return run


def _first_call(step: Callable[[], object]) -> float:
    """Seconds of a call that compiles, with an empty compile cache."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        start = time.perf_counter()
        step()
        seconds = time.perf_counter() - start
        del os.environ["TORCHINDUCTOR_CACHE_DIR"]
    return seconds


def _products(vae: VAE, batch: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """One product for each shape of the model's linear maps, named "rows x in x out"."""
    for layer in vae.modules():
        if isinstance(layer, nn.Linear):
            x, weight = torch.randn(batch, layer.in_features), layer.weight.detach()
            name = f"{batch}x{layer.in_features}x{layer.out_features}"
            yield name, partial(torch.matmul, x, weight.t())


def _flops(product: str) -> int:
    rows, inner, columns = map(int, product.split("x"))
    return 2 * rows * inner * columns


def _milliseconds(seconds: dict[str, float]) -> dict[str, float]:
    return {name: 1e3 * value for name, value in seconds.items()}
