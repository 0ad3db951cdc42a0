"""An update as one CUDA graph. Its operations are tested on the CPU, its recording on a GPU."""

from contextlib import contextmanager, nullcontext
from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from torch import optim
from torch.torch_version import TorchVersion
from torch.utils._python_dispatch import TorchDispatchMode

from nfvae import VAE, Bernoulli, Objective, Planar
from nfvae.data import Dataset, Split
from nfvae.errors import DivergenceError, NfvaeError
from nfvae.flows import FLOWS
from nfvae.likelihoods import LIKELIHOODS
from nfvae.networks import NETWORKS
from nfvae.priors import GaussianMixture
from nfvae.training import Training
from nfvae.training.cuda_graph import (
    WARM_UP,
    BufferedUpdate,
    GraphedUpdate,
    check_cuda_graph,
)

CPU, META = torch.device("cpu"), torch.device("meta")
SHAPE, DIM = (1, 8, 8), 4


def noise(values: str = "bits", device: torch.device = CPU) -> Dataset:
    levels = torch.randint(256, (60, *SHAPE), dtype=torch.uint8)
    images = levels / 255 if values == "reals" else levels
    split = Split(images, dynamic=values == "bits", values=values)
    return Dataset("noise", split, None, split, "dynamic", digest="").to(device)


def make_vae(flow=None, likelihood=None, network="mlp", prior=None, **options) -> VAE:
    torch.manual_seed(0)
    likelihood = likelihood or Bernoulli()
    options = {"hidden": [20], **options} if network == "mlp" else options
    made = NETWORKS[network](SHAPE, DIM, likelihood.parameters_per_channel, **options)
    return VAE(made.encoder, flow or Planar(DIM, 3), made.decoder, likelihood, prior)


def warm_up(step: int) -> float:
    return min(1.0, (step + 1) / 16)  # such rates are exact in float32, as the graph reads them


def training(device: torch.device = CPU, vae: VAE | None = None, **options) -> Training:
    vae = (vae or make_vae()).to(device)
    groups = [
        {"params": list(vae.inference_parameters())},
        {"params": list(vae.generative_parameters()), "lr": 2**-9, "weight_decay": 0.125},
    ]
    torch.manual_seed(0)
    settings = {
        "optimizer": optim.AdamW(groups, lr=2**-10, weight_decay=0.0, fused=True),
        "batch_size": 20,
        "schedule": warm_up,
        "grad_clip": 3.0,
        "objective": Objective(annealing="kl", annealing_steps=10),
    }
    return Training(vae, noise(device=device), 1000, **{**settings, **options})


def test_updates_from_buffers_are_the_usual_ones_bit_for_bit():
    usual, buffered = training(), training()
    buffered._graphed = BufferedUpdate(buffered.run_update, buffered.optimizer, CPU)
    norms = []
    for _ in range(20):
        usual.update()
        buffered.update()
        means = usual.meter.pop()
        assert buffered.meter.pop() == means
        norms.append(means["grad_norm"])
    assert min(norms) < usual.grad_clip < max(norms)
    assert torch.equal(usual.generator.get_state(), buffered.generator.get_state())
    for name, weight in usual.vae.state_dict().items():
        assert torch.equal(buffered.vae.state_dict()[name], weight), name
    states = [each.optimizer.state_dict() for each in (usual, buffered)]
    assert states[0]["param_groups"] == states[1]["param_groups"]
    for moments, others in zip(*(s["state"].values() for s in states), strict=True):
        assert all(torch.equal(moments[name], others[name]) for name in moments)


def test_inputs_are_copied_to_their_places():
    """A graph would not see a new tensor."""
    made = training()
    seen = []
    update = BufferedUpdate(lambda *inputs: seen.append(inputs), made.optimizer, CPU)
    for step, weight in ((3, 0.25), (4, 0.5)):
        update(made.sampler.indices(step), weight, step)
    (first, *others), second = seen
    assert all(a is b for a, b in zip((first, *others), second, strict=True))
    assert torch.equal(first, made.sampler.indices(4))
    assert [float(value) for value in others] == [0.5, 4.0]


def test_an_error_leaves_the_optimizer_as_it_was():
    made = training()
    before = made.optimizer.state_dict()["param_groups"]

    def fail(*inputs):
        raise DivergenceError("no")

    with pytest.raises(DivergenceError):
        BufferedUpdate(fail, made.optimizer, CPU)(made.sampler.indices(0), 1.0, 0)
    assert made.optimizer.state_dict()["param_groups"] == before


class NothingFromTheHost(TorchDispatchMode):
    """An error in operations that move data between host and device, or depend on values.

    Tensors on the device "meta" have no values, so `item()`, `if tensor` and masks fail there
    anyway, as does mixing devices.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        moved = func.overloadpacket is torch.ops.aten._to_copy and out.device != args[0].device
        assert not moved, "a copy between devices"
        assert func.overloadpacket is not torch.ops.aten.lift_fresh, "a tensor of Python numbers"
        return out


def update_without_values(vae: VAE, values: str = "bits", **options) -> None:
    # SGD stands for the optimizer, since AdamW's fused form does not know "meta".
    settings = {
        "generator": torch.Generator(),
        "optimizer": optim.SGD(vae.to(META).parameters(), lr=0.1),
        "batch_size": 20,
        "grad_clip": 1.0,
    }
    made = Training(vae, noise(values, META), 10, **{**settings, **options})
    index, weight, step = (
        torch.zeros(*size, dtype=kind, device=META)
        for size, kind in (([20], torch.int64), ([()], torch.float32), ([()], torch.int64))
    )
    with NothingFromTheHost():
        made.run_update(index, weight, step)


@pytest.mark.parametrize("flow", sorted(FLOWS))
def test_an_update_never_waits_for_the_device(flow):
    K = {"none": 0, "full_rank": 1}.get(flow, 3)
    update_without_values(make_vae(FLOWS[flow](DIM, K)))


@pytest.mark.parametrize("likelihood", sorted(LIKELIHOODS))
def test_the_likelihood_never_waits_for_the_device(likelihood):
    made = LIKELIHOODS[likelihood]()
    update_without_values(make_vae(likelihood=made), values=made.accepts[0])


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_networks_and_a_learned_prior_never_wait_for_the_device(network):
    vae = make_vae(network=network, prior=GaussianMixture(DIM))
    update_without_values(vae, objective=Objective(num_samples=2))


def test_waiting_for_the_device_is_noticed():
    class Waiting(Planar):
        def _forward(self, z, params):
            return super()._forward(z * (1.0 if z.isfinite().all() else 0.0), params)

    class Copying(Planar):
        def _forward(self, z, params):
            return super()._forward(z * torch.tensor(1.0).to(z.device), params)

    with pytest.raises(RuntimeError, match="meta"):
        update_without_values(make_vae(Waiting(DIM, 3)))
    with pytest.raises(AssertionError, match="tensor of Python numbers"):
        update_without_values(make_vae(Copying(DIM, 3)))


def test_a_graph_needs_a_gpu_and_an_optimizer_that_can_be_recorded():
    with pytest.raises(ValueError, match=r"^cuda_graph=True needs a model on a CUDA device, it is"):
        training(cuda_graph=True)
    sgd = optim.SGD(make_vae().parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"option `capturable`.*; SGD has none$"):
        check_cuda_graph(torch.device("cuda"), sgd)
    with pytest.raises(ValueError, match=r"^cuda_graph=True needs a single process, there are 2$"):
        check_cuda_graph(torch.device("cuda"), sgd, 2)


@pytest.fixture
def calls(monkeypatch):
    """What happens, in order, in a torch.cuda that records nothing and replays nothing."""
    calls = []

    @contextmanager
    def recording(graph, stream):
        calls.append("record")
        yield
        calls.append("recorded")

    graph = SimpleNamespace(
        register_generator_state=lambda generator: calls.append("register"),
        replay=lambda: calls.append("replay"),
    )
    side = SimpleNamespace(wait_stream=lambda other: None)
    nothing = {"device": nullcontext, "stream": nullcontext, "synchronize": lambda device: None}
    streams = {"Stream": lambda device: side, "current_stream": lambda: side}
    for name, value in {
        **nothing,
        **streams,
        "CUDAGraph": lambda: graph,
        "graph": recording,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return calls


@pytest.mark.parametrize(("version", "register"), [("2.13.1", ["register"]), ("2.14.1", [])])
def test_some_updates_run_then_one_is_recorded_and_replayed(calls, monkeypatch, version, register):
    monkeypatch.setattr(torch, "__version__", TorchVersion(version))
    made = training()
    update = GraphedUpdate(lambda *inputs: calls.append("run"), made.optimizer, made.generator, CPU)
    recorded = [*register, "record", "run", "recorded"]
    for _ in range(2):
        for step in range(WARM_UP + 2):
            update(made.sampler.indices(step), 1.0, step)
        assert calls == ["run"] * WARM_UP + [*recorded, "replay", "replay"]
        calls.clear()
        update.forget()


def test_what_cannot_be_recorded_ends_with_one_line(calls):
    def wait(*inputs):
        if "record" in calls:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")

    made = training()
    update = GraphedUpdate(wait, made.optimizer, made.generator, CPU)
    for step in range(WARM_UP):
        update(made.sampler.indices(step), 1.0, step)
    with pytest.raises(
        NfvaeError, match=r"\(operation not .* capturing\); train with cuda_graph=F"
    ):
        update(made.sampler.indices(WARM_UP), 1.0, WARM_UP)


CASES = {
    "planar": {"flow": "planar"},
    "radial": {"flow": "radial"},
    "sylvester": {"flow": "sylvester_orthogonal"},
    "dropout": {"flow": "planar", "dropout": 0.2},
}


def updated(cuda, steps, cuda_graph, flow="planar", dropout=0.0, **options) -> Training:
    vae = make_vae(FLOWS[flow](DIM, 3), dropout=dropout)
    made = training(cuda, vae, cuda_graph=cuda_graph, **options)
    for _ in range(steps):
        made.update()
    return made


def assert_equal_within_rounding(ours: Training, theirs: Training) -> None:
    assert ours.step == theirs.step
    assert torch.equal(ours.generator.get_state(), theirs.generator.get_state())
    for name, weight in theirs.vae.state_dict().items():
        torch.testing.assert_close(ours.vae.state_dict()[name], weight, rtol=1e-3, atol=1e-4)
    means, others = ours.meter.pop(), theirs.meter.pop()
    for name, value in means.items():
        assert value == pytest.approx(others[name], rel=1e-4, abs=1e-3), name


def is_recorded(made: Training) -> bool:
    return isinstance(made._graphed, GraphedUpdate) and made._graphed._graph is not None


@contextmanager
def errors_where_the_host_waits():
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_50_updates_as_a_graph_are_the_usual_ones(cuda, case):
    usual, graphed = (updated(cuda, 50, cuda_graph, **case) for cuda_graph in (False, True))
    assert is_recorded(graphed)
    assert_equal_within_rounding(graphed, usual)


@pytest.mark.cuda
def test_bfloat16_in_a_graph(cuda):
    usual, graphed = (updated(cuda, 50, each, precision="bfloat16") for each in (False, True))
    assert is_recorded(graphed)
    assert graphed.meter.pop()["loss"] == pytest.approx(usual.meter.pop()["loss"], rel=1e-2)


@pytest.mark.cuda
def test_rmsprop_in_a_graph(cuda):
    made = []
    for cuda_graph in (False, True):
        vae = make_vae().to(cuda)
        rmsprop = optim.RMSprop(vae.parameters(), lr=2**-10, momentum=0.9)
        made.append(training(cuda, vae, cuda_graph=cuda_graph, optimizer=rmsprop))
        for _ in range(50):
            made[-1].update()
    usual, graphed = made
    assert is_recorded(graphed)
    assert_equal_within_rounding(graphed, usual)


@pytest.mark.cuda
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_goes_on_with_and_without_a_graph(cuda, before, after):
    whole = updated(cuda, 40, True)
    first = updated(cuda, 20, before)
    resumed = updated(cuda, 0, after)
    resumed.load_state_dict(first.state_dict())
    for _ in range(20):
        resumed.update()
    assert is_recorded(resumed) is after
    assert_equal_within_rounding(resumed, whole)


@pytest.mark.cuda
def test_a_rewind_records_anew(cuda):
    made = updated(cuda, 10, True)
    stored = deepcopy(made.state_dict())
    for _ in range(5):
        made.update()
    made.load_state_dict(stored)
    assert not is_recorded(made)
    for _ in range(10):
        made.update()
    assert is_recorded(made)
    assert_equal_within_rounding(made, updated(cuda, 20, True))


@pytest.mark.cuda
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_the_host_never_waits_in_an_update(cuda, cuda_graph):
    made = updated(cuda, WARM_UP + 1, cuda_graph)
    with errors_where_the_host_waits():
        for _ in range(2):  # no new epoch
            made.update()
