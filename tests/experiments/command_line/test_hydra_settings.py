"""Hydra's own settings: supported, or refused with one line before Hydra uses them."""

import pickle

import pytest
import yaml

from ..processes import FAST

MARK = "{_target_: pathlib.Path.touch, _args_: [mark]}"
REFUSED = [
    ("hydra.run.dir=x", "hydra.run.dir=x", "use run.dir"),
    ("-m K=2,3 hydra.sweep.dir=x", "hydra.sweep.dir=x", "use run.dir"),
    ("hydra/launcher=joblib", "hydra/launcher=joblib", "add -m"),
    ("hydra.launcher.num_workers=2", "hydra.launcher.num_workers=2", "add -m"),
    ("-m K=2,3 hydra.launcher.num_workers=0", "num_workers=0", "1 to 1024"),
    ("-m K=2,3 hydra/launcher=nowhere", "hydra/launcher=nowhere is unknown", "processes"),
    ("-m K=2,3 hydra.launcher._target_=builtins.open", "_target_=builtins.open", "allowed: proc"),
    ("-m K=2,3 hydra/launcher=ray", "hydra/launcher=ray is unknown", "joblib"),
    ("-m K=2,3 hydra.sweeper._target_=builtins.open", "_target_=builtins.open", "allowed: grid"),
    (f"+hydra.callbacks.x={MARK}", "hydra.callbacks=x", "leave them out"),
    (f"-m K=2,3 +hydra.sweeper.params.x={MARK}", "_target_=pathlib.Path.touch", "allowed: grid"),
    ("hydra/job_logging=default", "hydra.job_logging", "none"),
    ("hydra/hydra_logging=hydra_debug", "hydra.hydra_logging", "none"),
    ("+hydra.job_logging.formatters.x={(): pathlib.Path.cwd}", "cannot be read", "quotes"),
    ("+hydra.job_logging.formatters.x.format=ext://this.s", "hydra.job_logging", "none"),
    ("cluster=slurm hydra.launcher.setup=[id]", "hydra.launcher.setup", "any code"),
    ("--experimental-rerun config.pickle", "--experimental-rerun", "any code"),
    ("+hydra.job.env_set.LD_PRELOAD=x.so", "LD_PRELOAD", "any code"),
    ("--nonsense", "--nonsense is not an option", "--help"),
    ("--cfg nonsense", "--cfg", "'job'"),
    ("-m --cfg job", "Only one of --run, --multirun, --cfg", "can be specified"),
    ("--resolve", "--resolve", "--cfg"),
    ("--config-dir nowhere", "nowhere", "not found"),
    ("--config-name nowhere", "nowhere", "search path"),
    ("K=2,3", "K=2,3 is a sweep over several values", "add -m; for a list write K=[2,3]"),
    ("K=1 ++K=2", "K is given more than once", "command line"),
    ("flow=planar flow@flow=iaf", "flow is given more than once", "command line"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[case[0][:60] for case in REFUSED])
def test_refused_before_anything_is_done(case, call, tmp_path):
    words, *said = case
    with (tmp_path / "config.pickle").open("wb") as file:
        pickle.dump(Mark(), file)
    words = words.replace(", ", ",").replace(": ", ":").split()
    status, out, error = call("train", *words)
    assert (status, out) == (1, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    for part in said:
        assert part in error
    assert [path.name for path in tmp_path.iterdir()] == ["config.pickle"]


def test_a_line_break_for_a_job_script_is_refused(call):
    status, _, error = call("train", "cluster=slurm", "K=1", 'hydra.launcher.comment="a\nid"')
    assert status == 1
    assert "line breaks could run any code" in error


class Mark:
    def __reduce__(self):
        return (open, ("mark", "w"))


SECTIONS = {
    "callbacks": {"x": {"_target_": "pathlib.Path.touch", "_args_": ["mark"]}},
    "job_logging": {
        "version": 1,
        "root": {"handlers": ["x"]},
        "handlers": {"x": {"class": "logging.FileHandler", "filename": "mark"}},
    },
    "launcher": {"_target_": "pathlib.Path.touch", "_args_": ["mark"]},
    "sweeper": {"_target_": "pathlib.Path.touch", "_args_": ["mark"]},
    "job": {"env_set": {"NFVAE_PLUGINS": "mark"}},
}


@pytest.mark.parametrize("key", SECTIONS)
@pytest.mark.parametrize("mode", [[], ["-m"]])
def test_an_experiment_file_runs_no_code(key, mode, call, tmp_path):
    folder = tmp_path / "more" / "experiment"
    folder.mkdir(parents=True)
    (tmp_path / "mark.py").write_text("open('mark', 'w').close()")
    text = yaml.safe_dump({"hydra": {key: SECTIONS[key]}})
    (folder / "x.yaml").write_text(f"# @package _global_\n{text}")
    status, _, error = call("train", *mode, "--config-dir", "more", "experiment=x", "K=1")
    assert status == 1
    assert error.count("\n") == 1
    assert not (tmp_path / "mark").exists()


def test_a_job_of_a_sweep_is_checked_too(call, tmp_path):
    folder = tmp_path / "more" / "experiment"
    folder.mkdir(parents=True)
    text = yaml.safe_dump({"hydra": {"callbacks": SECTIONS["callbacks"]}})
    (folder / "x.yaml").write_text(f"# @package _global_\n{text}")
    words = ["--config-dir", "more", "experiment=x,rezende2015_quick", "K=1"]
    status, _, error = call("train", "-m", *words)
    assert status == 1
    assert "hydra.callbacks=x" in error
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["hydra.job.chdir=true"],
        ["hydra.verbose=true"],
        ["+hydra.job.env_set.A=b"],
        ["hydra.mode=RUN"],
    ],
    ids=lambda words: words[0],
)
def test_settings_that_are_honoured(words, call, tmp_path):
    status, _, error = call("train", *words, "K=0", "flow=none", "run.dir=r", *FAST)
    assert status == 0, error
    assert (tmp_path / "r" / "results.json").exists()


def test_processes_are_for_training_alone(call):
    status, _, error = call("evaluate", "-m", "run=a,b", "hydra/launcher=processes")
    assert status == 1
    assert "hydra/launcher=processes supports train only" in error
