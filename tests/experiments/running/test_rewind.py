"""trainer.on_nan=rewind: return to the last validation, continue with half the learning rate."""

import shutil

import pytest
import torch

from nfvae.errors import DivergenceError
from nfvae.experiments.interruption import Interrupted, StopRequest
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training import Training
from nfvae.training.schedule import warmup_decay

REWIND = ("trainer.on_nan=rewind", "trainer.val_every=10", "trainer.checkpoint_every=15")
NO_WARMUP = "optim.warmup_steps=0"


@pytest.fixture
def breaks(monkeypatch):
    """Poison the weights before some steps, until the run has been rewound so often."""
    update = Training.update

    def at(*steps: int, until: int):
        def poisoned(self):
            if self.step in steps and self.lr_scale > 0.5**until:
                with torch.no_grad():
                    self.vae.head.bias[3] = float("nan")
            update(self)

        monkeypatch.setattr(Training, "update", poisoned)

    return at


def test_rewinds_and_continues_with_half_the_rate(small_config, tmp_path, breaks, events, capsys):
    breaks(23, until=1)
    folder = RunFolder(tmp_path / "run")
    results = run_training(small_config(*REWIND, NO_WARMUP), folder, StopRequest())
    assert results["steps"] == 30
    assert results["rewinds"] == 1
    assert (
        "loss was not finite at step 23; back to step 20 with learning rates at 0.5 of their "
        "schedule (rewind 1 of 3)\n" in capsys.readouterr().err
    )
    logged = dict(events(folder)["train/lr"])
    optim = small_config(NO_WARMUP).optim
    schedule = warmup_decay(30, optim.warmup_steps, optim.decay)
    rates = {step: optim.lr * schedule(step) for step in (20, 25)}
    assert logged[20] == pytest.approx(rates[20])
    assert logged[25] == pytest.approx(rates[25] / 2)


def test_logs_of_a_rewind_have_no_step_twice(small_config, tmp_path, breaks, events):
    breaks(8, 23, until=2)
    folder = RunFolder(tmp_path / "run")
    run_training(small_config(*REWIND), folder, StopRequest())
    for tag, points in events(folder).items():
        steps = [step for step, _ in points]
        every = 10 if tag.startswith(("val/", "bound/val")) else 5
        if tag.startswith("test/"):  # measured once, at the end
            every = 30
        assert steps == list(range(every, 31, every)), tag
    lines = [line.split(",")[0] for line in folder.metrics.read_text().splitlines()]
    steps = (5, 10, 10, 10, 15, 20, 20, 20, 25, 30, 30, 30)  # training, validation, flow
    assert lines == [f'{{"step": {n}' for n in steps]


def test_a_rewind_is_reproducible_after_any_interruption(
    small_config, tmp_path, breaks, stop_after, events
):
    breaks(8, 23, until=2)
    config = small_config(*REWIND)
    whole = RunFolder(tmp_path / "whole")
    run_training(config, whole, StopRequest())
    folder = RunFolder(tmp_path / "stopped")
    for looks in (7, 2, 12, 3, 2, 4):  # before, between and after what goes wrong
        with pytest.raises(Interrupted):
            run_training(config, folder, stop_after(looks))
    run_training(config, folder, StopRequest())
    ours, theirs = (load_checkpoint(f.last) for f in (folder, whole))
    for name, weight in theirs["model"].items():
        assert torch.equal(ours["model"][name], weight), name
    ours, theirs = ours["callbacks"], theirs["callbacks"]
    assert ours["Rewind"]["rewinds"] == theirs["Rewind"]["rewinds"] == 2
    assert ours["Validation"] == theirs["Validation"]
    assert {k: v for k, v in events(folder).items() if k.startswith(("val/", "bound/val"))} == {
        k: v for k, v in events(whole).items() if k.startswith(("val/", "bound/val"))
    }


def test_the_number_of_rewinds_is_limited(small_config, tmp_path, breaks, capsys):
    breaks(23, until=99)
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(DivergenceError, match=r"loss .* step 23, .* 0\.25 .* after 2 rewinds"):
        run_training(small_config(*REWIND, "trainer.max_rewinds=2"), folder, StopRequest())
    assert capsys.readouterr().err.count("back to step 20") == 2
    assert not folder.results.exists()
    weights = load_checkpoint(folder.last)["model"].values()
    assert all(weight.isfinite().all() for weight in weights)


def test_the_best_checkpoint_as_the_last_one_keeps_the_count(
    small_config, tmp_path, breaks, monkeypatch, capsys
):
    folder, config = RunFolder(tmp_path / "run"), small_config(*REWIND)
    breaks(8, until=1)
    poisoned = Training.update

    def dying(self):
        if self.step == 24:
            raise MemoryError
        poisoned(self)

    monkeypatch.setattr(Training, "update", dying)
    with pytest.raises(MemoryError):
        run_training(config, folder, StopRequest())
    shutil.copy(folder.best, folder.last)  # as the message about a damaged last.pt advises
    capsys.readouterr()
    breaks(24, until=2)
    assert run_training(config, folder, StopRequest())["rewinds"] == 2
    rewound = capsys.readouterr().err
    assert "back to step 20 with learning rates at 0.25 of their schedule (rewind 2" in rewound
    assert rewound.count("back to step") == 1


def test_a_stopped_run_can_resume_with_rewinds(small_config, tmp_path, breaks):
    breaks(23, until=1)
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(DivergenceError, match=r"resume with trainer\.on_nan=rewind"):
        run_training(small_config(), folder, StopRequest())
    results = run_training(small_config("trainer.on_nan=rewind"), folder, StopRequest())
    assert results["rewinds"] == 1


def test_before_the_first_validation_it_rewinds_to_the_start(
    small_config, tmp_path, breaks, capsys
):
    breaks(4, until=1)
    run_training(small_config(*REWIND), RunFolder(tmp_path / "run"), StopRequest())
    assert "loss was not finite at step 4; back to step 0" in capsys.readouterr().err
