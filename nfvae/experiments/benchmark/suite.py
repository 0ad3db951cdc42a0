"""The benchmarks: flows alone, training steps, the NLL, and scaling with each size.

All times are medians in milliseconds unless a name says otherwise.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nfvae.data import Dataset
from nfvae.evaluation import estimate_nll
from nfvae.experiments.benchmark.jax_step import JaxStep
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


CALLS = 5  # training steps in a row


def training_step(
    config: Config, data: Dataset, repeats: int, compiled: bool, peers: bool
) -> dict[str, float]:
    """A whole update: batch, bits, networks, flow, bound, backward, Adam.

    Also the limit on this machine: the time of its matrix products alone, each at its own shape and
    layout, and that of Adam alone.
    """
    dim, K = config.latent_dim, config.K

    def state(flow: Flow | None = None) -> Training:
        made = _training(config, data)
        if flow is not None:
            made.vae.flow = flow
        return made

    own = state()
    cases: dict[str, Callable[[], object]] = {"nfvae": own.update}
    if compiled:
        cases["compiled"] = _training(_compiled(config), data).update
    if peers:
        cases["jax"] = JaxStep(state())
    if K:
        cases["loop"] = state(PlanarLoop(dim, K)).update
        cases["bmm loop"] = state(PlanarBmmLoop(dim, K)).update
    cases["textbook"] = TextbookStep(state(PlanarBmmLoop(dim, K) if K else None))
    batch = config.trainer.batch_size
    products = list(linear_products(own.vae, batch))
    alone = {"adam": adam_alone(own.vae)} | {str(i): run for i, (_, run) in enumerate(products)}
    times = interleaved(cases | alone, repeats, CALLS)
    seconds = sum(times[str(i)] for i in range(len(products)))
    flops = sum(flops for flops, _ in products)
    measured = {name: times[name] for name in (*cases, "adam")}
    limit = {"products": seconds, "limit": seconds + times["adam"]}
    return _milliseconds(measured | limit) | {"gflop": flops / 1e9, "gflops": flops / seconds / 1e9}


def compiled_step(config: Config, data: Dataset, repeats: int) -> dict[str, float]:
    """A whole update with and without `trainer.compile`, and seconds of the first compiled one:
    without a compile cache, and with it, in a new process each."""
    eager, compiled = _training(config, data), _training(_compiled(config), data)
    cases = {"eager": eager.update, "compiled": compiled.update}
    times = _milliseconds(interleaved(cases, repeats, CALLS))
    with tempfile.TemporaryDirectory() as cache:
        first, again = (_seconds_of_first_update(config, cache) for _ in range(2))
    return times | {"first start, s": first, "next start, s": again}


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


def _compiled(config: Config) -> Config:
    trainer = config.trainer.model_copy(update={"compile": True})
    return config.model_copy(update={"trainer": trainer})


FIRST_UPDATE = """
import sys, time, torch
from nfvae.data import load_dataset
from nfvae.experiments.benchmark.suite import _training
from nfvae.experiments.configuration.config import Config
torch.set_num_threads(int(sys.argv[2]))
training = _training(Config.model_validate_json(sys.argv[1], strict=False), load_dataset("mnist"))
start = time.perf_counter()
training.update()
print(time.perf_counter() - start)
"""


def _seconds_of_first_update(config: Config, cache: str) -> float:
    """Seconds of the first compiled update in a new process with this compile cache."""
    arguments = [_compiled(config).model_dump_json(), str(torch.get_num_threads())]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_UPDATE, *arguments],
        env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout)


def linear_products(vae: VAE, batch: int) -> Iterator[tuple[float, Callable[[], object]]]:
    """The matrix products of an update with their flops, each alone: output, gradient of the
    weights, and gradient of the input, which the images do not need."""
    layers = [layer for layer in vae.modules() if isinstance(layer, nn.Linear)]
    for layer in layers:
        weight = layer.weight.detach()
        rows_out, rows_in = weight.shape
        x, grad = torch.randn(batch, rows_in), torch.randn(batch, rows_out)
        flops = 2.0 * batch * weight.numel()
        yield flops, partial(torch.addmm, layer.bias.detach(), x, weight.t())
        yield flops, partial(torch.mm, grad.t(), x, out=torch.empty_like(weight))
        if layer is not layers[0]:
            yield flops, partial(torch.mm, grad, weight)


def adam_alone(vae: VAE) -> Callable[[], object]:
    """Adam on one vector as long as all weights: three numbers written and four read for each."""
    weight = nn.Parameter(torch.zeros(sum(p.numel() for p in vae.parameters())))
    weight.grad = torch.randn_like(weight)
    return torch.optim.AdamW([weight], fused=True).step


def _milliseconds(seconds: dict[str, float]) -> dict[str, float]:
    return {name: 1e3 * value for name, value in seconds.items()}
