"""A sweep's jobs are composed to the same configurations as by Hydra, but faster."""

import pickle

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from nfvae.experiments.configuration.conf import CONF
from nfvae.experiments.launching.composing import ComposedJobs, Composer
from nfvae.experiments.terminal.tasks import plain_without_hydra

MIXED = [
    ["flow=planar", "K=2", "optim.lr=0.5"],
    ["flow=planar", "K=3", "optim.lr=0.25", "flow.constraint=paper"],
    ["flow=iaf", "K=2", "flow.hidden_size=8", "optim=rmsprop"],
    ["flow=none", "K=0", "protocol=quick", "trainer.max_steps=7"],
    ["protocol=paper", "+flow.extra=1", "seed=3"],
    ["~trainer.compile", "model.hidden=[1,2]", "run.dir=a/${flow.name}_${K}"],
    ["flow=full_rank", "++data.root=x", "experiment=rezende2015", "K=1"],
    # Jobs that differ in values only, which replace each other.
    *(
        ["flow=iaf", f"K={value}", f"model.hidden={value}", f"data.root={value}"]
        for value in ("1", "[2,3]", "null", "[]", "[{a:1}]", "${seed}", "'x y'", "[${seed},7]", "1")
    ),
    *(["seed=1", f"run.dir={number}_${{hydra:job.num}}_${{hydra.job.id}}"] for number in (1, 2)),
    ["hydra.job.name=x", "K=1", "run.dir=${hydra:job.name}"],
    ["seed=3", "seed=4"],
    ["seed=3", "seed=5"],
    ["seed=3", "seed=3"],
    ["flow=iaf", "run={name:a}"],
    ["flow=iaf", "run={dir:b}"],
]


@pytest.fixture
def sweep():
    """Hydra's loader and the configuration of a sweep."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        loader = GlobalHydra.instance().config_loader()
        words = ["hydra.mode=MULTIRUN", "+hydra.job.env_set.A=b", "seed=0,1"]
        yield loader, loader.load_configuration("train", words, RunMode.MULTIRUN)


def test_equal_to_hydras_own(sweep, monkeypatch):
    loader, master = sweep
    composer = Composer(loader, master)
    for overrides in MIXED:
        job, hydras = composer.job(overrides, 0), loader.load_sweep_config(master, overrides)
        hydras.hydra.job.num, hydras.hydra.job.id = 0, "0"
        monkeypatch.setattr(HydraConfig.instance(), "cfg", hydras)  # for ${hydra:…}
        assert job.mapping == plain_without_hydra(hydras), overrides
        given = job.config()
        assert plain_without_hydra(given) == job.mapping
        ours, theirs = (OmegaConf.to_container(each.hydra) for each in (given, hydras))
        assert ours == theirs


def test_jobs_that_choose_the_same_groups_read_files_once(sweep, monkeypatch):
    loader, master = sweep
    composer, loads = Composer(loader, master), []
    load = type(loader).load_configuration
    monkeypatch.setattr(
        type(loader), "load_configuration", lambda *a, **o: loads.append(1) or load(*a, **o)
    )
    grid = [[f"flow={flow}", f"seed={seed}"] for flow in ("planar", "iaf") for seed in range(9)]
    jobs = [composer.job(overrides, number) for number, overrides in enumerate(grid)]
    assert [job.mapping["seed"] for job in jobs] == [*range(9), *range(9)]
    assert len(loads) == 2


def test_many_jobs_are_pickled_with_what_they_share_once(sweep):
    loader, master = sweep
    composer = Composer(loader, master)
    jobs = [composer.job(["flow=planar", f"seed={seed}"], seed) for seed in range(50)]
    one, many = (len(pickle.dumps(ComposedJobs(loader, each))) for each in (jobs[:1], jobs))
    assert many < 2 * one


def test_errors_are_hydras(sweep):
    loader, master = sweep
    with pytest.raises(Exception, match=r"Could not override 'flow\.none'"):
        Composer(loader, master).job(["flow.none=1"], 0)


def test_a_child_gets_interpolations_as_the_parent_resolved_them(sweep):
    loader, master = sweep
    overrides = ["K=2", "run.dir=a/${hydra:job.num}_${now:%H%M%S%f}_K${K}"]
    composer = Composer(loader, master)
    job = composer.job(overrides, 7)
    jobs = pickle.loads(pickle.dumps(ComposedJobs(loader, [job])))
    first, second = (jobs.load_sweep_config(master, overrides) for _ in range(2))
    assert first.run.dir == second.run.dir == job.mapping["run"]["dir"]
    assert first.run.dir.startswith("a/7_")
    HydraConfig.instance().set_config(first)
    assert HydraConfig.get().job.num == 7


def test_what_was_not_planned_is_composed(sweep):
    loader, master = sweep
    assert ComposedJobs(loader, []).load_sweep_config(master, ["K=9"]).K == 9
