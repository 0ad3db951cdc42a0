"""What a sweep checks before it starts processes, by the real script."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import yaml

from nfvae.experiments.configuration.config import RunConfig
from nfvae.experiments.storage.naming import default_name

TRAIN = Path(__file__).parents[3] / "scripts" / "train.py"
NAMED = "run.dir=runs/${flow.name}_K${K}_seed${seed}"


@pytest.fixture
def train(monkeypatch, tmp_path, capsys):
    """Exit status, output and errors of train.py; a process that is started fails the test."""

    def no_process(*_, **__):
        raise AssertionError("a process was started")

    def run(*overrides):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(TRAIN), *overrides])
        monkeypatch.setattr("nfvae.experiments.launching.processes.subprocess.Popen", no_process)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(TRAIN), run_name="__main__")
        return end.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def complete(make_config, tmp_path):
    """Make the folder of a complete run, with made-up results."""

    def make(*overrides, parent="runs"):
        config = make_config(*overrides)
        name = f"{config.flow['name']}_K{config.K}_seed{config.seed}"
        folder = tmp_path / parent / name
        folder.mkdir(parents=True)
        content = config.model_dump(mode="json") | {
            "run": RunConfig(dir=None, name=None).model_dump()
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(content))
        figures = ("neg_elbo", "neg_elbo_se", "distortion", "kl", "sum_log_det", "active_units")
        figures += ("nll", "nll_se", "num_importance_samples", "steps", "train_seconds")
        results = dict.fromkeys(figures, 1) | {"split": "test"}
        (folder / "results.json").write_text(json.dumps(results))

    return make


BAD_FOR_ALL = [
    ("K=2,3 data.root=/nowhere", "root=/nowhere does not exist"),
    ("K=2,3 trainer.batch_size=5001", "trainer.batch_size=5001", "1 to 5000"),
    ("flow=none K=2", "K must be 0, got K=2"),
    ("K=2,3 run.dir=same", "2 runs", "same folder, same", "${K}"),
    ("flow=planar,planr", "planr", "known: "),
]


@pytest.mark.parametrize("case", BAD_FOR_ALL, ids=[row[0] for row in BAD_FOR_ALL])
def test_an_error_of_all_runs_is_one_line(case, train, tmp_path):
    overrides, *said = case
    place = [] if "run.dir" in overrides else [NAMED]
    status, _, error = train("-m", *overrides.split(), *place)
    assert status == 1
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    for part in said:
        assert part in error
    assert not list(tmp_path.iterdir())


def test_complete_runs_are_skipped_and_bad_runs_are_named(train, complete):
    complete("flow=none", "K=0")
    complete("flow=planar", "K=2")
    status, out, error = train("-m", "flow=none,planar,full_rank", "K=0,2", NAMED)
    assert status == 1
    assert "3 combinations skipped" in out
    assert "3 runs: 2 already complete, 0 to do" in out
    assert "error: flow=full_rank K=2: flow=full_rank" in error
    assert "1 of 3 runs failed" in error


def test_all_complete(train, complete):
    complete("flow=planar", "K=2")
    complete("flow=planar", "K=3")
    status, out, error = train("-m", "flow=planar", "K=2,3", NAMED)
    assert (status, error) == (0, "")
    assert "all 2 runs are complete" in out
    assert f"next: python {TRAIN.with_name('table.py')} runs\n" in out


def test_runs_that_lie_among_others_are_named_one_by_one(train, complete):
    for K in (2, 3):
        complete("flow=planar", f"K={K}", parent="outputs")
    _, out, _ = train("-m", "flow=planar", "K=2,3")
    assert "table.py outputs/planar_K2_seed0 outputs/planar_K3_seed0\n" in out


def test_a_sweep_without_k_0_says_so(train, complete):
    complete("flow=planar", "K=2")
    complete("flow=planar", "K=3")
    _, out, _ = train("-m", "flow=none,planar", "K=2,3", NAMED)
    assert "all 2 runs are complete" in out
    assert "flow=none is not among the runs: it has no transforms; add K=0 to the sweep" in out


def test_a_folder_of_another_run_is_named(train, complete):
    complete("flow=planar", "K=2", "optim.lr=0.5")
    complete("flow=planar", "K=3")
    status, _, error = train("-m", "flow=planar", "K=2,3", NAMED)
    assert status == 1
    assert "runs/planar_K2_seed0 holds a run of another configuration (optim.lr was 0.5" in error


@pytest.mark.parametrize("spelled", ["optim.lr=2e-3", "optim.lr=0.0020"])
def test_a_number_s_spelling_does_not_change_the_folder(spelled, train, make_config, monkeypatch):
    seen = []

    def keep(config, overrides):
        seen.append(default_name(config, overrides))
        raise KeyboardInterrupt

    monkeypatch.setattr("nfvae.experiments.storage.naming.default_name", keep)
    for words in ([spelled, "K=2"], ["-m", spelled, "K=2"]):
        assert train(*words)[0] == 130
    assert seen == ["planar_K2_seed0_lr-0.002"] * 2
