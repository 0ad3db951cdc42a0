"""Every launcher trains the same runs in the same folders, as composed by the parent process."""

import importlib.util
import json

import pytest
import yaml

from ..processes import FAST, TIMES

RUNS = ("none_K0_s0", "planar_K2_s0")
GRID = ("flow=none,planar", "K=0,2", "seed=0")
PLUGINS = {
    "joblib": "hydra_joblib_launcher",
    "submitit_local": "hydra_submitit_launcher",
}


def sweep(nfvae, folder, *words):
    place = f"run.dir={folder}/${{flow.name}}_K${{K}}_s${{seed}}"
    return nfvae("train", "-m", *GRID, *FAST, place, *words)


def results(parent):
    read = {name: json.loads((parent / name / "results.json").read_text()) for name in RUNS}
    return {name: {k: v for k, v in of.items() if k not in TIMES} for name, of in read.items()}


@pytest.mark.slow
def test_all_give_the_same_results(nfvae, tmp_path):
    ended = sweep(nfvae, "processes")
    assert ended.returncode == 0, ended.stderr
    assert "2 combinations skipped" in ended.stdout
    assert {path.name for path in (tmp_path / "processes").iterdir()} == set(RUNS)
    assert "trained     20 steps" in (tmp_path / "processes" / RUNS[0] / "train.log").read_text()
    for launcher in ("basic", "joblib", "submitit_local"):
        if launcher in PLUGINS and not importlib.util.find_spec(
            f"hydra_plugins.{PLUGINS[launcher]}"
        ):
            continue
        ended = sweep(nfvae, launcher, f"hydra/launcher={launcher}")
        assert ended.returncode == 0, (launcher, ended.stderr)
        assert "all 2 runs are complete" in ended.stdout
        assert {path.name for path in (tmp_path / launcher).iterdir()} == set(RUNS)
        assert results(tmp_path / launcher) == results(tmp_path / "processes"), launcher
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_failures_of_runs_come_back(nfvae, tmp_path):
    pytest.importorskip(f"hydra_plugins.{PLUGINS['joblib']}")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "s1").write_text("a file in the place of a folder")
    words = ["-m", "K=2", "seed=0,1", "hydra/launcher=joblib", "run.dir=runs/s${seed}", *FAST]
    ended = nfvae("train", *words)
    assert ended.returncode == 1
    assert "failed  runs/s1: cannot use runs/s1" in ended.stdout
    assert "1 of 2 runs failed. To try them again: python -m nfvae train -m K=2" in ended.stderr
    assert (tmp_path / "runs" / "s0" / "results.json").exists()


@pytest.mark.slow
def test_a_child_gets_what_its_parent_composed(nfvae, tmp_path):
    """Folders that depend on Hydra's values, variables, and a YAML file that changes meanwhile."""
    group = tmp_path / "more" / "flow"
    group.mkdir(parents=True)
    (group / "mine.yaml").write_text("name: planar\nconstraint: paper\n")
    (tmp_path / "edit.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "Path('more/flow/mine.yaml').write_text('name: radial\\n')\n"
        "print('mine:', os.environ.get('MINE'))\n"
    )
    words = ["--config-dir", "more", "flow=mine", "K=2", "seed=0,1", *FAST]
    words += ["run.dir=runs/${now:%f}_${hydra:job.num}_s${seed}", "hydra.launcher.num_workers=1"]
    words += ["+hydra.job.env_set.MINE=yes", "plugins=edit"]
    # The plugin, imported after the parent has composed, edits the file before a child starts.
    ended = nfvae("train", "-m", *words)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    configs = [yaml.safe_load(path.read_text()) for path in tmp_path.glob("runs/*/config.yaml")]
    flows = [(config["flow"]["name"], config["flow"]["constraint"]) for config in configs]
    assert flows == [("planar", "paper")] * 2
    assert {config["seed"] for config in configs} == {0, 1}
    assert {path.name.split("_", 1)[1] for path in tmp_path.glob("runs/*")} == {"0_s0", "1_s1"}
    logs = [path.read_text() for path in tmp_path.glob("runs/*/train.log")]
    assert len(logs) == sum("mine: yes" in log for log in logs) == 2
