"""Bad input to every script: one line that says what is wrong and how to fix it.

To read them all: NFVAE_SHOW=1 python -m pytest tests/experiments/commands/test_bad_input.py -n 0 -s
"""

import json
import os
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from nfvae.experiments.configuration.conf import CONF
from nfvae.experiments.configuration.config import parse_config
from nfvae.experiments.errors import ConfigError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.checkpoint import load_checkpoint, save_checkpoint
from nfvae.experiments.storage.run_folder import RunFolder

SCRIPTS = Path(__file__).parents[3] / "scripts"
LONG = "x" * 5000
NOTES = {".lock", "failure.txt"}  # what a run that fails may change in its own folder

# What follows the script on the command line, and what the line must say: key, value, remedy.
TRAIN = [
    ("K=-1", "K=-1", "greater than or equal to 0"),
    ("K=null", "K must be given", "number of transforms"),
    ("K", "K cannot be read", "key=value"),
    ("K=[1", "K=[1 cannot be read", "quotes"),
    ("=3", "key=value"),
    ("K=1 K=2", "K", "more than once"),
    ("Kk=16", "Kk", "did you mean K?"),
    ("K=1000000000", "K=1000000000", "520TB", "of memory", "smaller"),
    ("K=100000", "K=100000", "TB of memory", "smaller"),  # K × K numbers per image
    ("K=9999999999999", "K=9999999999999", "less than or equal to 1000000000000"),
    ("device=cpu trainer.cuda_graph=true", "trainer.cuda_graph=true needs a GPU", "the device cpu"),
    ("+foo=1", "foo is not a key", "known: K, data, device"),
    ("flow=planr", "flow=planr", "known: ", "planar"),
    ("flow=null", "flow=null", "known: ", "planar"),
    ("flov=planar", "flov", "did you mean flow?"),
    ("~flow", "flow is missing", "flow=…"),
    ("~trainer.max_steps", "trainer.max_steps is missing", "trainer.max_steps=…"),
    ("flow=none K=3", "flow=none", "K must be 0, got K=3"),
    ("flow=full_rank K=2", "flow=full_rank", "K must be 0 or 1, got K=2"),
    ("flow=nice model.latent_dim=1", "flow=nice", "2"),
    ("+flow.depth=3", "flow.depth is not a key", "known: constraint"),
    ("flow=iaf flow.hidden_layers=1000", "flow.hidden_layers=1000", "less than or equal to 100"),
    ("flow=iaf flow.hidden_size=10000000", "flow.hidden_size=10000000", "of memory", "smaller"),
    ("flow=iaf flow.hidden_size=1000000000000000000", "more memory than any machine", "smaller"),
    ("data=cifar", "data=cifar", "known: ", "mnist"),
    ("data.root=/nowhere", "root=/nowhere does not exist", "must be the folder"),
    ("data.root=empty", "train-images-idx3-ubyte", "root must name the file's folder"),
    ("model.latent_dim=100000 K=64", "model.latent_dim=100000", "of memory", "smaller"),
    ("model.hidden=[100000,100000]", "[100000,100000]", "325GB", "of memory", "smaller"),
    (f"model.activation={LONG}", "model.activation=xxx", "…", "'silu', 'relu' or 'gated'"),
    ("optim=sgd", "optim=sgd", "known: adam, rmsprop"),
    ("objective.num_samples=1000000", "objective.num_samples=1000000", "TB of memory", "smaller"),
    ("trainer.max_step=10", "trainer.max_step is not a key", "did you mean trainer.max_steps?"),
    ("trainer.batch_size=5001", "trainer.batch_size=5001", "allowed: 1 to 5000"),
    ("trainer.batch_size=1000000000", "trainer.batch_size=1000000000", "of memory", "smaller"),
    ("run.name=ä", "run.name=ä cannot be read", "quotes"),
    ("run.dir=~/x", "run.dir=~/x cannot be read", "quotes"),
    (f"run.dir={LONG}", "xxx", "…", "File name too long", "another run.dir"),
    ('run.dir="~nobody-of-that-name/x"', "run.dir=~nobody-of-that-name/x", "no such user"),
    ('data.root="~nobody-of-that-name"', "root=~nobody-of-that-name", "no such user"),
    ("optim=rmsprop optim.betas=[0.5,0.9]", "optim.betas belongs to another choice"),
    ("run.dir=file/run", "file/run", "Not a directory", "another run.dir"),
    ("run.dir=/proc/run", "/proc/run", "another run.dir"),
    ("run.dir=done", "done", "another configuration", "K was 2, is now 16", "another run.dir"),
    ("experiment=nix", "experiment=nix", "known: rezende2015, rezende2015_quick"),
    ("experiment=rezende_figure3", "experiment=rezende_figure3", "known: rezende2015"),
    ("plugins=nix", "plugins=nix", "no module nix"),
]

# The same of values that `parse_config` refuses, without composing each configuration.
VALUES = [
    ("K=-1", "K=-1", "greater than or equal to 0"),
    ("K=1.5", "K=1.5", "valid integer"),
    ("K=abc", "K=abc", "valid integer"),
    ("K=true", "K=True", "valid integer"),
    ("K=", "K=", "valid integer"),
    ("seed=-1", "seed=-1", "greater than or equal to 0"),
    ("seed=99999999999999999999", "seed=99999999999999999999", "less than"),
    ("device=gpu", "device=gpu", "auto, cpu, cuda or cuda:N"),
    ("flow.name=planr", "flow.name=planr", "known: ", "planar"),
    ("flow.name=[planar]", "flow.name=['planar']", "known: ", "planar"),
    ("flow.constraint=none", "flow.constraint=none", "'identity' or 'paper'"),
    ("data.name=cifar", "data.name=cifar", "known: ", "mnist"),
    (
        "data.binarization=threshold",
        "data.binarization=threshold",
        "'dynamic', 'fixed', 'static' or",
    ),
    ("data.train_on_val=often", "data.train_on_val=often", "valid boolean"),
    ("data.train_on_val=true", "eval.checkpoint=last"),
    ("data.train_on_val=true eval.checkpoint=last trainer.early_stopping=3", "early_stopping=3"),
    ("model.latent_dim=0", "model.latent_dim=0", "greater than or equal to 1"),
    ("model.latent_dim=2.0", "model.latent_dim=2.0", "valid integer"),
    ("model.hidden=[]", "model.hidden", "length of at least 1"),
    ("model.hidden=[400,0]", "model.hidden.1=0", "greater than or equal to 1"),
    ("model.hidden=400", "model.hidden=400", "valid list"),
    ("model.activation=swish", "model.activation=swish", "'silu', 'relu' or 'gated'"),
    ("optim.lr=nan", "optim.lr=nan", "finite number"),
    ("optim.lr=0", "optim.lr=0", "greater than 0"),
    ("optim.lr=inf", "optim.lr=inf", "finite number"),
    ("optim.lr=fast", "optim.lr=fast", "valid number"),
    ("optim.decoder_lr=0", "optim.decoder_lr=0", "greater than 0"),
    ("optim.decoder_lr=fast", "optim.decoder_lr=fast", "valid number"),
    ("optim.decoder_weight_decay=-1", "optim.decoder_weight_decay=-1", "greater than or equal"),
    ("optim.betas=[0.9]", "optim.betas", "length of at least 2"),
    ("optim.betas=[0.9,1.0]", "optim.betas.1=1.0", "less than 1"),
    ("optim.decay=linear", "optim.decay=linear", "'none' or 'cosine'"),
    ("optim.grad_clip=-1", "optim.grad_clip=-1", "greater than 0"),
    ("optim.warmup_steps=-5", "optim.warmup_steps=-5", "greater than or equal to 0"),
    ("objective.num_samples=0", "objective.num_samples=0", "greater than or equal to 1"),
    ("objective.annealing=cyclic", "objective.annealing=cyclic", "'none', 'energy' or 'kl'"),
    ("objective.annealing_start=2", "objective.annealing_start=2", "less than or equal to 1"),
    ("trainer.max_steps=0", "trainer.max_steps=0", "greater than or equal to 1"),
    ("trainer.max_steps=1e4", "trainer.max_steps=10000.0", "valid integer"),
    ("trainer.batch_size=-100", "trainer.batch_size=-100", "greater than or equal to 1"),
    ("trainer.early_stopping=0", "trainer.early_stopping=0", "greater than or equal to 1"),
    ("trainer.on_nan=ignore", "trainer.on_nan=ignore", "'stop' or 'rewind'"),
    ("trainer.max_rewinds=0", "trainer.max_rewinds=0", "greater than or equal to 1"),
    ("trainer.num_threads=100000000000000000", "trainer.num_threads=1", "less than or equal to"),
    ("trainer.progress=maybe", "trainer.progress=maybe", "valid boolean"),
    ("eval.elbo_draws=0", "eval.elbo_draws=0", "greater than or equal to 1"),
    ("eval.num_samples=-1", "eval.num_samples=-1", "greater than or equal to 0"),
    ("eval.checkpoint=newest", "eval.checkpoint=newest", "'best' or 'last'"),
    ("run.name=a/b", "run.name=a/b", "letters, digits"),
    ("run.name=..", "run.name=..", "letters, digits"),
    ("run.dir=", "run.dir=", "not be empty"),
    ("run.dir=x run.name=y", "run", "both dir and name", "only one"),
    ("eval.elbo_draws=1000000", "eval.elbo_draws=1000000", "less than or equal to 10000"),
]

EVALUATE = [
    ("", "run must be given", "run=…"),
    ("run=nowhere", "nowhere is not a run folder", "config.yaml"),
    ("nowhere done", "run is given more than once"),
    ("run=file", "file is not a run folder", "train.py"),
    (f"run={LONG}", "xxx", "…", "File name too long"),
    ("run=done eval.num_samples=-1", "eval.num_samples=-1", "greater than or equal to 0"),
    ("run=done num_threads=100000000000000000", "num_threads=1", "less than or equal to 1024"),
    ("run=done split=all", "split=all", "'train', 'val' or 'test'"),
    ("run=done split=train", "split=train", "data.binarization=dynamic", "allowed: val, test"),
    ("run=", "run= is empty", "name a file or folder"),
    ("run=done K=3", "K is not a key", "--cfg job"),
    ("run=bad_config", "bad_config/config.yaml: K=-1", "greater than or equal to 0"),
    ("run=bad_yaml", "bad_yaml/config.yaml is not valid YAML (line 2", "correct it"),
    ("run=list_yaml", "list_yaml/config.yaml is not a mapping"),
    (
        "run=other_config",
        "best.pt was made with model.latent_dim=2",
        "says model.latent_dim=3",
        "restore config.yaml",
    ),
    ("run=no_best", "no checkpoint no_best/checkpoints/best.pt", "eval.checkpoint=last"),
    ("run=cut_best", "cut_best/checkpoints/best.pt is damaged", "eval.checkpoint=last"),
    ("run=hostile_best", "hostile_best/checkpoints/best.pt", "could run code"),
    ("run=old_best", "old_best/checkpoints/best.pt", "format 2", "found: 0"),
    ("run=foreign_best", "foreign_best/checkpoints/best.pt", "not a checkpoint of format 2"),
]

GO_ON = [  # train.py in the folder of a run that something happened to
    ("cut_last", "cut_last/checkpoints/last.pt is damaged", "cp ", "best.pt of step 10"),
    ("hostile_last", "hostile_last/checkpoints/last.pt", "could run code", "best.pt of step 10"),
    ("no_good", "no_good/checkpoints/last.pt is damaged", "delete no_good/checkpoints/last.pt"),
    ("typed_last", "typed_last/checkpoints/last.pt", "step is 'ten'", "int", "cp "),
    ("best_gone", "no checkpoint best_gone/checkpoints/best.pt", "delete", "to train again"),
    ("bad_yaml", "bad_yaml/config.yaml is not valid YAML (line 2", "correct it"),
    ("no_config", "no_config", "config.yaml is missing", "put the file back"),
    ("bad_metrics", "bad_metrics/metrics.jsonl is damaged", "move it away"),
    ("text_results", "text_results/results.json: neg_elbo='low'", "delete the file"),
    ("cut_results", "cut_results/results.json cannot be read", "delete it"),
    ("poor_results", "poor_results/results.json", "delete it"),
]

PICTURE = [
    ("", "run must be given", "run=…"),
    ("run=nowhere", "nowhere is not a run folder", "config.yaml"),
    ("run=", "run= is empty", "name a file or folder"),
    ("run=done seed=-1", "seed=-1", "greater than or equal to 0"),
    ("run=done file=nowhere/x.png", "nowhere is not a folder", "make it"),
    ("run=done file=done/results.json", "done/results.json cannot be written", "ends in .png"),
    ("run=done file=/", "/ cannot be written", "ends in .png"),
    ("run=cut_best", "cut_best/checkpoints/best.pt is damaged"),
]

POSTERIOR_2D = [
    ("run=nowhere", "nowhere is not a run folder", "config.yaml"),
    ("run=[]", "run", "length of at least 1"),
    ("run=done images=[-1]", "images.0=-1", "greater than or equal to 0"),
    ("run=done images=[1000]", "images=1000", "allowed: 0 to 999"),
    ("run=other_config", "run=other_config", "model.latent_dim=3", "needs 2"),
    ("run=done file=nowhere/x.png", "nowhere is not a folder", "make it"),
    ("run=done file=", "file= is empty"),
    ("run=", "run= is empty", "name a file or folder"),
    ("run='~nobody-of-that-name'", "run=~nobody-of-that-name", "no such user"),
]

FIT_ENERGY = [
    ("energy=U5", "energy=U5", "'U1', 'U2', 'U3' or 'U4'"),
    ("flow=planr", "flow=planr", "known: "),
    ("K=-1", "K=-1", "greater than or equal to 0"),
    ("K=1000000000", "K=1000000000", "of memory", "smaller"),
    ("fit.max_steps=0", "fit.max_steps=0", "greater than or equal to 1"),
    ("model.latent_dim=3", "model.latent_dim is not a key"),
    ("flow=sylvester_orthogonal flow.num_vectors=3", "flow=sylvester_orthogonal", "3"),
    ("dir=", "dir= is empty"),
    ("dir=file", "file", "File exists", "another dir"),
    ("~flow.name", "flow.name=null is unknown", "known: "),
    ("comparison=rezende_figure3 +comparison.foo=1", "comparison.foo is not a key", "known: K"),
    ("comparison=rezende_figure3 comparison.K=[2,2]", "comparison has 2 twice in K"),
    (
        "comparison=rezende_figure3 comparison.flows=[{name:planar},{name:planar}]",
        "comparison has planar twice in flows",
    ),
    ("optim.momentum=0.9", "momentum", "not a key"),
    ("dir=fit_of_others", "fit_of_others/results.json", "delete it"),
    ("comparison=rezende_figure3 K=3", "comparison=rezende_figure3 chooses K itself", "leave K"),
]

TABLE = [
    ("", "folder", "--help"),
    ("nowhere", "nowhere is not a folder", "name folders that hold runs"),
    ("empty", "no complete run", "results.json"),
    ("cut_results", "cut_results/results.json", "delete it"),
    ("text_results", "text_results/results.json", "neg_elbo"),
    ("done --out file", "file", "File exists"),
    ("done --outt x", "--outt", "--help"),
]

BENCHMARK = [
    ("K=[-1]", "K.0=-1", "greater than or equal to 0"),
    ("K=16", "K=16", "valid list"),
    ("batch_size=[1000000000]", "trainer.batch_size=1000000000", "of memory", "smaller"),
    ("parts=[speed]", "parts.0=speed", "'flow', 'step'"),
    ("flow=spline", "flow=spline has no other implementations", "use flow=planar"),
    ("~flow", "flow=null has no other implementations", "use flow=planar"),
    ("repeat=3", "repeat is not a key", "did you mean repeats?"),
    ("folder=", "folder= is empty"),
    ("folder=file/x", "folder=file/x", "Not a directory", "choose another"),
]

CASES = [
    *(("train", *row) for row in TRAIN),
    *(("evaluate", *row) for row in EVALUATE),
    *(("go_on", *row) for row in GO_ON),
    *(("picture", *row) for row in PICTURE),
    *(("posterior_2d", *row) for row in POSTERIOR_2D),
    *(("fit_energy", *row) for row in FIT_ENERGY),
    *(("table", *row) for row in TABLE),
    *(("benchmark", *row) for row in BENCHMARK),
]


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a script as its own process would; its exit status and what it says of errors."""

    for module in (
        "nfvae.experiments.configuration.memory",
        "nfvae.experiments.energies.task",
    ):  # or a large machine begins the work
        monkeypatch.setattr(f"{module}.available_memory", lambda device: 16 * 10**9)

    def run(script, arguments):
        path = SCRIPTS / f"{script}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(path), run_name="__main__")
        return end.value.code, capsys.readouterr().err

    return run


class Hostile:
    def __reduce__(self):
        return (print, ("code ran",))


def _damage(file, share=0.5):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])


def _change_config(folder, **changes):
    content = yaml.safe_load(folder.config_file.read_text())
    folder.config_file.write_text(yaml.safe_dump(content | changes))


def _change_results(folder, **changes):
    content = json.loads(folder.results.read_text())
    folder.results.write_text(json.dumps(content | changes))


def _change_checkpoint(file, **changes):
    content = load_checkpoint(file)
    del content["format"]
    save_checkpoint(file, content | changes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_config):
    """A complete run, and copies of it that something happened to."""
    parent = tmp_path_factory.mktemp("bad_input")
    config = make_config(*RUN)
    done = RunFolder(parent / "done")
    run_training(config, done, StopRequest())

    def copy(name, complete=False):
        folder = RunFolder(parent / name)
        shutil.copytree(done.path, folder.path)
        if not complete:
            folder.results.unlink()
        return folder

    _change_config(copy("bad_config"), K=-1)
    copy("bad_yaml").config_file.write_text("K: [1, 2\n")
    copy("list_yaml").config_file.write_text("- K\n")
    model = {**config.model, "latent_dim": 3}
    _change_config(copy("other_config"), model=model)
    copy("no_config").config_file.unlink()
    copy("no_best").best.unlink()
    _damage(copy("cut_best").best)
    torch.save({"format": 2, "model": Hostile()}, copy("hostile_best").best)
    torch.save({"format": 0, "model": {}}, copy("old_best").best)
    torch.save([1, 2], copy("foreign_best").best)
    _damage(copy("cut_last").last)
    torch.save({"format": 2, "model": Hostile()}, copy("hostile_last").last)
    folder = copy("no_good")
    _damage(folder.last)
    _damage(folder.best)
    _change_checkpoint(copy("typed_last").last, step="ten")
    copy("best_gone").best.unlink()
    folder = copy("bad_metrics")
    folder.metrics.write_text("not JSON\n")
    _change_checkpoint(folder.last, step=5)
    _change_results(copy("text_results", complete=True), neg_elbo="low")
    _damage(copy("cut_results", complete=True).results)
    copy("poor_results", complete=True).results.write_text('{"neg_elbo": 90.0}')
    (parent / "fit_of_others").mkdir()
    (parent / "fit_of_others" / "results.json").write_text('{"neg_elbo": 90.0}')
    (parent / "empty").mkdir()
    (parent / "file").touch()
    return parent


RUN = (
    "device=cpu",
    "K=2",
    "model.latent_dim=2",
    "model.hidden=[8]",
    "trainer.max_steps=10",
    "trainer.val_every=10",
    "trainer.batch_size=20",
    "trainer.progress=false",
    "eval.elbo_draws=2",
    "eval.num_samples=1",
)


def _contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} | {
        path: None for path in folder.rglob("*") if path.is_dir()
    }


IN_DEFAULT_SUITE = {"train", "go_on", "evaluate", "table", "report"}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            row,
            id=" ".join(row[:2])[:80],
            marks=[] if row[0] in IN_DEFAULT_SUITE else [pytest.mark.slow],
        )
        for row in CASES
    ],
)
def test_one_line_that_helps(case, call, runs, monkeypatch):
    script, arguments, *said = case
    monkeypatch.chdir(runs)
    words = arguments.split()
    if script == "go_on":
        script, words = "train", [*RUN, f"run.dir={arguments}"]
    before = _contents(runs)
    status, error = call(script, words)
    if os.environ.get("NFVAE_SHOW"):
        print(f"\n{script}.py {arguments[:100]}\n{error}", end="", file=sys.__stdout__)
    assert status in (1, 2)
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert len(error) < 600
    assert "Traceback" not in error
    for part in said:
        assert part in error
    after = _contents(runs)
    assert {path for path in before.keys() ^ after.keys() if path.name not in NOTES} == set()
    assert {path: after[path] for path in before if path.name not in NOTES} == {
        path: content for path, content in before.items() if path.name not in NOTES
    }


def test_the_table_is_as_long_as_it_says():
    assert len({case[:2] for case in CASES}) == len(CASES) >= 60


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("script", ["train", "evaluate"])
def test_no_cuda_device(script, call, runs, monkeypatch):
    monkeypatch.chdir(runs)
    status, error = call(script, ["device=cuda", *(["run=done"] if script == "evaluate" else [])])
    assert (status, error.count("\n")) == (1, 1)
    assert "device=cuda, but PyTorch sees no CUDA device; use device=cpu or auto" in error


@pytest.fixture(scope="module")
def defaults():
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = compose("train", overrides=["flow=planar", "K=16"])
    return OmegaConf.to_container(composed, resolve=True)


@pytest.mark.parametrize("row", VALUES, ids=lambda row: row[0])
def test_one_line_about_a_value(defaults, row):
    arguments, *said = row
    config = OmegaConf.create(defaults)
    for override in OverridesParser.create().parse_overrides(arguments.split()):
        OmegaConf.update(config, override.key_or_group, override.value())
    with pytest.raises(ConfigError) as refusal:
        parse_config(OmegaConf.to_container(config))
    error = str(refusal.value)
    assert "\n" not in error
    assert len(error) < 600
    for part in said:
        assert part in error
