"""A resumed run equals an uninterrupted one, bit for bit."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

from nfvae.experiments.errors import CheckpointError
from nfvae.experiments.interruption import Interrupted, StopRequest
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.checkpoint import load_checkpoint, save_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder

PROVENANCE = {"train_seconds", "steps_per_second", "git_commit"}


@pytest.fixture
def assert_same_run(events):
    def check(folder, other):
        compare(folder, other)
        shown, of_other = (
            {tag: of for tag, of in events(f).items() if tag != "train/images_per_second"}
            for f in (folder, other)
        )
        assert shown == of_other
        assert [step for step, _ in shown["train/loss"]] == [5, 10, 15, 20, 25, 30]
        assert [step for step, _ in shown["bound/val_neg_elbo"]] == [10, 20, 30]

    return check


def compare(folder, other):
    ours, theirs = (load_checkpoint(f.last) for f in (folder, other))
    for name, weight in theirs["model"].items():
        assert torch.equal(ours["model"][name], weight), name
    assert torch.equal(ours["generator"], theirs["generator"])
    results = [
        {key: value for key, value in f.read_results().items() if key not in PROVENANCE}
        for f in (folder, other)
    ]
    assert results[0] == results[1]
    assert metrics(folder) == metrics(other)


def metrics(folder):
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("system/")} for line in lines]


DONE: dict[tuple[str, ...], Path] = {}
"""Complete runs by their overrides; each test has a copy."""


@pytest.fixture
def unbroken(small_config, tmp_path, tmp_path_factory):
    def run(*overrides):
        if overrides not in DONE:
            DONE[overrides] = tmp_path_factory.mktemp("done") / "run"
            run_training(small_config(*overrides), RunFolder(DONE[overrides]), StopRequest())
        shutil.copytree(DONE[overrides], tmp_path / "unbroken")
        return RunFolder(tmp_path / "unbroken")

    return run


RADIAL = ("flow=radial", "optim=rmsprop", "optim.lr=1e-3")
DECODER = ("optim.decoder_lr=3e-3", "optim.decoder_weight_decay=0.1")


@pytest.mark.parametrize(
    ("overrides", "stop_at"),
    [
        ((), 3),
        ((), 10),
        ((), 17),
        pytest.param(RADIAL, 10, marks=pytest.mark.slow),
        pytest.param(DECODER, 17, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    small_config, tmp_path, unbroken, assert_same_run, stop_after, stop_at, overrides
):
    whole = unbroken(*overrides)
    folder = RunFolder(tmp_path / "stopped")
    with pytest.raises(Interrupted):
        run_training(small_config(*overrides), folder, stop_after(stop_at))
    assert load_checkpoint(folder.last)["step"] == stop_at
    assert not folder.results.exists()
    run_training(small_config(*overrides), folder, StopRequest())
    assert_same_run(folder, whole)


class StopInEstimate(StopRequest):
    """SIGTERM after a number of portions of the estimates: validations, then −ELBO and NLL."""

    def __init__(self, portions):
        super().__init__()
        self.portions = portions

    def check(self):
        self.portions -= 1
        if self.portions == 0:
            self.signal = signal.SIGTERM
        super().check()


@pytest.mark.parametrize(
    ("portions", "step", "pending"),
    [(3, 20, True), (9, 30, False)],
    ids=["validation", "nll"],
)
def test_a_run_stopped_during_an_estimate_equals_an_uninterrupted_one(
    small_config, tmp_path, unbroken, assert_same_run, portions, step, pending
):
    whole = unbroken()
    folder = RunFolder(tmp_path / "stopped")
    with pytest.raises(Interrupted, match="SIGTERM"):
        run_training(small_config(), folder, StopInEstimate(portions))
    last = load_checkpoint(folder.last)
    assert (last["step"], last["pending"]) == (step, pending)
    assert last["callbacks"]["Validation"]["step"] == (10 if pending else 30)  # that one is void
    assert not folder.results.exists()
    run_training(small_config(), folder, StopRequest())
    assert_same_run(folder, whole)


def test_killed_after_the_last_checkpoint_repeats_those_steps(
    small_config, tmp_path, unbroken, assert_same_run, monkeypatch
):
    whole = unbroken()
    folder = RunFolder(tmp_path / "killed")
    from nfvae.training import Training

    update = Training.update

    def dying_step(self):
        if self.step == 17:
            raise MemoryError
        update(self)

    with monkeypatch.context() as patched:
        patched.setattr(Training, "update", dying_step)
        with pytest.raises(MemoryError):
            run_training(small_config(), folder, StopRequest())
    assert load_checkpoint(folder.last)["step"] == 10
    run_training(small_config(), folder, StopRequest())
    assert_same_run(folder, whole)


def test_complete_run_is_not_repeated(small_config, unbroken):
    folder = unbroken()
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.pt")}
    results = run_training(small_config(), folder, StopRequest())
    assert results == folder.read_results()
    assert before == {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.pt")}


def test_seed_changes_the_run(small_config, tmp_path, unbroken):
    whole = unbroken()
    folder = RunFolder(tmp_path / "other")
    run_training(small_config("seed=1"), folder, StopRequest())
    assert folder.read_results()["neg_elbo"] != whole.read_results()["neg_elbo"]


@pytest.mark.parametrize("part", ["model", "optimizer", "generator", "meter", "callbacks"])
def test_a_part_of_another_kind_is_refused(small_config, unbroken, part):
    folder = unbroken()
    folder.results.unlink()
    content = load_checkpoint(folder.last)
    del content["format"]
    save_checkpoint(folder.last, content | {part: None})
    with pytest.raises(CheckpointError, match=r"last\.pt does not fit"):
        run_training(small_config(), folder, StopRequest())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(2)),
        lambda state: state["optimizer"]["state"][0].update(exp_avg_sq=None),
        lambda state: state["meter"].update(count="x"),
        lambda state: state["callbacks"]["Validation"].update(best_neg_elbo="x"),
        lambda state: state.update(seconds=float("nan")),
        lambda state: state.update(step=10**9),
        lambda state: state.update(seconds=0.0),
        lambda state: state.update(lr_scale=-1.0),
        lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(())),
        lambda state: state["optimizer"]["state"][0].update(
            exp_avg=torch.zeros(1).expand(state["optimizer"]["state"][0]["exp_avg"].shape)
        ),
        lambda state: state["optimizer"]["state"].pop(0),
        lambda state: state["optimizer"]["param_groups"][0].update(betas="ab"),
        lambda state: state["model"]["head.bias"].fill_(torch.nan),
        lambda state: state["model"].update({"head.bias": state["model"]["head.bias"].double()}),
        lambda state: state["callbacks"]["Rewind"].update(rewinds=10**9),
    ],
)
def test_a_part_of_the_wrong_shape_is_refused(small_config, unbroken, spoil):
    """A fused optimizer trusts the shapes it is given: it would write past its moments."""
    folder = unbroken()
    folder.results.unlink()
    content = load_checkpoint(folder.last)
    del content["format"]
    spoil(content)
    save_checkpoint(folder.last, content)
    with pytest.raises(CheckpointError, match=r"last\.pt does not fit"):
        run_training(small_config(), folder, StopRequest())


def test_a_run_from_a_gpu_goes_on_with_a_note(small_config, unbroken, capsys):
    """The state of a CUDA generator is 16 bytes; a CPU cannot take it."""
    folder = unbroken()
    folder.results.unlink()
    content = load_checkpoint(folder.last)
    del content["format"]
    noise = {"generator": torch.zeros(16, dtype=torch.uint8), "step": 20}
    save_checkpoint(folder.last, content | noise)
    assert run_training(small_config(), folder, StopRequest())["steps"] == 30
    assert "from another kind of device; noise differs from now on" in capsys.readouterr().err
