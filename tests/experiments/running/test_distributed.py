"""Several processes train one model as one process would.

The slow tests start gloo processes, which are forked where torchrun itself does not matter: it
imports torch in each.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn

from nfvae.data import Split, load_dataset
from nfvae.data.dataset import Dataset
from nfvae.evaluation import estimate_elbo, estimate_nll
from nfvae.experiments.configuration.device import choose_device
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.running.run import check_run
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.terminal.torchrun import place, refuse_torchrun
from nfvae.objective import Objective
from nfvae.training import Training
from nfvae.training.batch_loss import BatchLoss
from nfvae.training.distributed import OwnRows, SharedMeter
from nfvae.training.ranks import Ranks

from ...docs.pages import ROOT, blocks
from ...warm import Command

PAGE = ROOT / "docs" / "data_parallel.md"
TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture
def group():
    """A group of this process alone: sums and means over ranks are taken by the tests."""
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("num_samples", [1, 3])
def test_means_over_ranks_are_those_of_an_indivisible_batch(tiny_vae, group, num_samples):
    vae, objective = tiny_vae(), Objective(num_samples=num_samples)
    x = torch.rand(7, 1, 4, 5).round().double()
    noise = torch.randn(num_samples, 7, 2, dtype=torch.float64)
    weight = torch.tensor(0.7)

    def loss_and_gradient(module: nn.Module):
        vae.zero_grad()
        loss, means = module(x, noise, weight)
        loss.backward()
        return loss, means, torch.cat([p.grad.flatten() for p in vae.parameters()])

    whole = loss_and_gradient(BatchLoss(vae, objective))
    parts = [
        loss_and_gradient(OwnRows(BatchLoss(vae, objective), Ranks(rank, 3))) for rank in range(3)
    ]
    for found, expected in zip(zip(*parts, strict=True), whole, strict=True):
        torch.testing.assert_close(sum(found) / 3, expected)


def test_a_meter_of_ranks_is_read_only_after_sums(group):
    first, second = (
        SharedMeter(("loss",), Ranks(rank, 2, sync_every=3), 100, torch.device("cpu"))
        for rank in range(2)
    )
    for step in range(2):
        for meter, value in ((first, 1.0), (second, 3.0)):
            meter.add(step, torch.tensor([value]))
            meter.added(step)
    for read in (first.pop, first.check, first.state_dict):
        with pytest.raises(RuntimeError, match="every 3 steps"):
            read()
    part = second.sums.clone()
    for meter in (first, second):
        meter.gather()
    first.sums += part  # as the sum over both would have
    assert first.pop() == {"loss": 2.0}
    assert not second.sums.any()
    first.add(2, torch.tensor([8.0]))
    first.added(2)  # a step after which they are summed
    assert first.pop() == {"loss": 4.0}


def test_compiled_updates_are_for_one_process(tiny_vae, small_config, group):
    images = Split(torch.zeros(20, 1, 4, 5).byte())
    data = Dataset("blank", images, images, images, "fixed", "")
    with pytest.raises(ValueError, match="compile=True is for one process"):
        Training(tiny_vae(), data, 1, batch_size=10, compile=True, ranks=Ranks(0, 2))
    config = small_config("trainer.compile=true")
    with pytest.raises(ConfigError, match=r"trainer.compile=true .* there are 2; use"):
        check_run(config, load_dataset("mnist"), torch.device("cpu"), 2)


@pytest.mark.parametrize("num_images", [1, 7, 100])
def test_pieces_of_several_ranks_come_in_order(num_images, monkeypatch):
    shares = [[10 * piece for piece in range(rank, num_images, 3)] for rank in range(3)]

    def gathered(self, value):
        if value is None:  # no rank has an error
            return [None] * 3
        assert value == shares[self.rank]
        return shares

    monkeypatch.setattr(Ranks, "_gathered", gathered)
    for rank in range(3):
        found = Ranks(rank, 3).spread(lambda own: [10 * p for p in own], range(num_images))
        assert found == [10 * piece for piece in range(num_images)]


def test_estimates_are_the_same_however_they_are_spread(tiny_vae):
    vae, split = tiny_vae(), Split(255 * (torch.rand(40, 1, 4, 5) < 0.5).byte())
    vae.float()

    def backwards(work, pieces):
        return [work([piece])[0] for piece in reversed(pieces)][::-1]

    for estimate in (estimate_elbo, estimate_nll):
        results = [
            estimate(vae, split, 600, torch.Generator().manual_seed(0), **spread)
            for spread in ({}, {"spread": backwards})
        ]
        assert results[0] == results[1]


def test_ranks_drop_other_units_and_refuse_what_is_no_mean_over_images(tiny_vae, group):
    vae = tiny_vae().float()
    images = 255 * (torch.rand(20, 1, 4, 5) < 0.5).byte()
    data = Dataset("noise", Split(images), None, Split(images), "fixed", "")

    def training(ranks, **options):
        return Training(vae, data, 5, batch_size=4, ranks=ranks, **options)

    seeds = {training(ranks).dropout_seed for ranks in (Ranks(), Ranks(0, 3), Ranks(2, 3))}
    assert len(seeds) == 2  # rank 0 is like a process alone
    with pytest.raises(ValueError, match="batch_size=4 is less than the 5 processes"):
        training(Ranks(0, 5))
    with pytest.raises(ValueError, match=r"free_bits=0\.5 bounds the KL"):
        training(Ranks(0, 2), objective=Objective(free_bits=0.5))
    vae.encoder.add_module("norm", nn.BatchNorm1d(3))
    with pytest.raises(ValueError, match="BatchNorm averages over the whole batch"):
        training(Ranks(0, 2))


def test_what_torchrun_cannot_do_is_refused_in_one_line(monkeypatch):
    for name, value in zip(TORCHRUN, "0212", strict=True):
        assert place() is None
        monkeypatch.setenv(name, value)
    assert place() == (0, 2, 1, 2)
    with pytest.raises(ConfigError, match="but evaluate is for one; start it without torchrun"):
        refuse_torchrun("evaluate is for one", "start it without torchrun")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert place() is None


def test_each_process_has_the_gpu_of_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    used = []
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    assert choose_device("auto", 1) == torch.device("cuda", 1)
    assert used == [torch.device("cuda", 1)]
    with pytest.raises(ConfigError, match="process 2 of this machine has no GPU"):
        choose_device("cuda", 2)
    with pytest.raises(ConfigError, match="device=cuda:0 is one GPU for several processes"):
        choose_device("cuda:0", 0)


# Whole runs.

SETTINGS = (
    "device=cpu",
    "data=arrays",
    "K=2",
    "model.latent_dim=3",
    "model.hidden=[16]",
    "trainer.batch_size=20",  # not divisible by 3
    "trainer.max_steps=200",
    "trainer.val_every=50",
    "trainer.checkpoint_every=20",
    "trainer.log_every=10",
    "trainer.on_nan=rewind",
    "eval.elbo_draws=2",
    "eval.num_samples=20",
)
PLUGIN = """
import os, time
import torch
from nfvae.training import Training

update = Training.update

def changed(self):
    time.sleep(float(os.environ.get("SLOW", "0")))
    if self.step == int(os.environ.get("NAN_AT", "-1")) and self.lr_scale == 1:
        if os.environ.get("RANK", "1") == "1":
            with torch.no_grad():
                self.vae.head.bias[3] = float("nan")
    update(self)

Training.update = changed
"""
TRAIN = str(ROOT / "scripts" / "train.py")


@pytest.fixture(scope="module")
def place_of_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parallel")
    (folder / "changed.py").write_text(PLUGIN)
    random = np.random.default_rng(0)
    np.save(folder / "images.npy", random.integers(0, 256, (300, 6, 6), dtype=np.uint8))
    return folder


def words(folder, name, *overrides):
    """The command; overrides replace those of `SETTINGS`."""
    places = (f"data.path={folder}/images.npy", f"run.dir={folder}/{name}")
    given = {each.partition("=")[0] for each in overrides}
    kept = [each for each in SETTINGS if each.partition("=")[0] not in given]
    return [TRAIN, *kept, *places, "plugins=changed", *overrides]


class Forked:
    """The processes of one run, which meet as those of torchrun do."""

    def __init__(self, folder, name, size, *overrides, **environment):
        self.store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        common = {
            "OMP_NUM_THREADS": "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(self.store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
        }
        command, *given = words(folder, name, *overrides)
        self.commands = []
        for rank in range(size):
            places = zip(TORCHRUN, map(str, (rank, size, rank, size)), strict=True)
            variables = common | dict(places if size > 1 else ()) | environment
            self.commands.append(Command(command, given, folder, variables))

    def read(self, stream):
        return "".join(command.outputs()[stream == "err"] for command in self.commands)

    def ended(self, seconds=600):
        """The exit statuses."""
        until = time.monotonic() + seconds
        for command in self.commands:
            with suppress(subprocess.TimeoutExpired):
                command.wait(max(0, until - time.monotonic()))
        hanging = [command for command in self.commands if command.poll() is None]
        for command in hanging:
            command.kill()
        assert not hanging, self.read("err")
        return [command.returncode for command in self.commands]


def run(*arguments, **environment):
    forked = Forked(*arguments, **environment)
    statuses = forked.ended()
    assert not any(statuses), forked.read("err")
    return forked.read("out"), forked.read("err")


@pytest.fixture
def torchrun(place_of_runs):
    """Start torchrun; what still runs after the test is stopped."""
    started = []

    def start(processes, *command, **environment):
        words = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        started.append(
            subprocess.Popen(
                [*words, f"--nproc-per-node={processes}", *command],
                cwd=place_of_runs,
                env=os.environ
                | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
                | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def alone(place_of_runs):
    """The results and curves of one process."""
    run(place_of_runs, "alone", 1)
    return curves(place_of_runs / "alone")


def curves(folder):
    """Each logged value by (name, step), and the results."""
    found = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        values = json.loads(line)
        for name, value in values.items():
            if name.startswith(("train/", "val/")):
                found[name, values["step"]] = value
    results = json.loads((folder / "results.json").read_text())
    return found | {name: results[name] for name in ("neg_elbo", "nll", "val_neg_elbo", "steps")}


def assert_like(alone, folder):
    found = curves(folder)
    assert ("train/neg_elbo", 200) in found
    assert found == pytest.approx(alone, rel=1e-5, abs=1e-5)


def wait_for_checkpoint(folder, is_alive):
    end = time.monotonic() + 600
    while not (folder / "checkpoints" / "last.pt").exists():
        assert is_alive()
        assert time.monotonic() < end
        time.sleep(0.05)


def pid_of(process, rank):
    """The process of a rank, among torchrun's children."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in children:
        if f"RANK={rank}\0" in Path(f"/proc/{pid}/environ").read_text().replace("_RANK", "-RANK"):
            return int(pid)
    raise AssertionError(children)


def own_lines(err):
    """What the run printed, without torchrun's lines and traceback."""
    torchruns = r"^Traceback .*\n  File \"<frozen runpy>(.*\n)*torch.distributed.elastic"
    own = re.sub(torchruns, "", err, flags=re.MULTILINE)
    return re.findall(r"^(?:error: |note: |stopped|Traceback|\w+Error).*", own, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_curves_are_those_of_one_process(place_of_runs, alone, processes):
    name = f"ranks{processes}"
    out, err = run(place_of_runs, name, processes)
    assert_like(alone, place_of_runs / name)
    assert out.count("test NLL") == 1
    assert err.count("val −ELBO") == 4
    assert run(place_of_runs, name, processes)[0].count("is already complete") == 1


@pytest.mark.slow
def test_a_nan_of_one_process_rewinds_all_whatever_rank_0_reads_when(place_of_runs):
    """Rank 0 reads the meter to log, to validate and to save, and the others only to validate."""
    found = {}
    for processes in (1, 2):
        name = f"rewound{processes}"
        every = ("trainer.log_every=15", "trainer.checkpoint_every=40", "trainer.max_steps=100")
        _, err = run(place_of_runs, name, processes, *every, NAN_AT="73")
        assert err.count("was not finite at step 73; back to step 50 with learning rates") == 1
        found[processes] = curves(place_of_runs / name)
    assert found[1] == pytest.approx(found[2], rel=1e-5, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("objective.free_bits=1", "error: free_bits=1.0 bounds the KL"),
        ("-m", "error: torchrun trains one run by several processes, but -m asks for many"),
        ("K=x", "error: K="),
    ],
)
def test_a_mistake_is_one_line(place_of_runs, override, message):
    forked = Forked(place_of_runs, "mistake", 2, override)
    assert forked.ended() == [1, 1]
    (line,) = own_lines(forked.read("err"))
    assert line.startswith(message)


# torchrun itself.


@pytest.mark.torchrun
def test_torchrun_ends_after_a_kill_and_the_same_command_resumes(place_of_runs, alone, torchrun):
    folder, command = place_of_runs / "torchrun3", words(place_of_runs, "torchrun3")
    process = torchrun(3, *command, SLOW="0.1")
    wait_for_checkpoint(folder, lambda: process.poll() is None)
    os.kill(pid_of(process, 0), signal.SIGKILL)
    began = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert process.returncode != 0
    (line,) = own_lines(err)
    assert line.startswith("error: another of the 3 processes ended")
    assert load_checkpoint(folder / "checkpoints" / "last.pt")["step"] < 200
    again = torchrun(3, *command)
    _, err = again.communicate(timeout=600)
    assert again.returncode == 0, err
    assert_like(alone, folder)


@pytest.mark.torchrun
def test_a_signal_to_one_process_saves_all_at_one_step(place_of_runs, alone, torchrun):
    folder, command = place_of_runs / "torchrun2", words(place_of_runs, "torchrun2")
    process = torchrun(2, *command, SLOW="0.1")
    wait_for_checkpoint(folder, lambda: process.poll() is None)
    os.kill(pid_of(process, 1), signal.SIGUSR1)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "exitcode  : 75" in err
    (line,) = own_lines(err)
    assert line.startswith("stopped by SIGUSR1; saved. To resume: torchrun --nproc-per-node=2 ")
    step = load_checkpoint(folder / "checkpoints" / "last.pt")["step"]
    assert 20 < step < 200
    run(place_of_runs, "torchrun2", 1)
    assert_like(alone, folder)


def test_the_documented_command_composes(make_config):
    (arguments,) = re.findall(r"^torchrun .* scripts/train\.py (.*)$", PAGE.read_text(), re.M)
    assert make_config("device=cpu", *arguments.split()).K == 8


@pytest.mark.torchrun
def test_the_documented_script_prints_once(place_of_runs, torchrun):
    (block,) = [block for block in blocks(PAGE) if block.file == "parallel.py"]
    code = block.text.replace("num_steps=100", "num_steps=20")
    (place_of_runs / "parallel.py").write_text(code)
    process = torchrun(2, "parallel.py")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert [line.split()[1] for line in out.splitlines()] == ["10", "20"]
