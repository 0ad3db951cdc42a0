"""A sweep's jobs are composed to the same configurations as by Hydra, but faster."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from nfvae.experiments.configuration.conf import CONF
from nfvae.experiments.launching.composing import ComposedJobs, Composer, unpack

MIXED = [
    ["flow=planar", "K=2", "optim.lr=0.5"],
    ["flow=planar", "K=3", "optim.lr=0.25", "flow.constraint=paper"],
    ["flow=iaf", "K=2", "flow.hidden_size=8", "optim=rmsprop"],
    ["flow=none", "K=0", "protocol=quick", "trainer.max_steps=7"],
    ["protocol=paper", "+flow.extra=1", "seed=3"],
    ["~trainer.compile", "model.hidden=[1,2]", "run.dir=a/${flow.name}_${K}"],
    ["flow=full_rank", "++data.root=x", "experiment=rezende2015", "K=1"],
]


@pytest.fixture
def sweep():
    """Hydra's loader and the configuration of a sweep."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        loader = GlobalHydra.instance().config_loader()
        words = ["hydra.mode=MULTIRUN", "+hydra.job.env_set.A=b", "seed=0,1"]
        yield loader, loader.load_configuration("train", words, RunMode.MULTIRUN)


def test_equal_to_hydras_own(sweep):
    loader, master = sweep
    composer = Composer(loader, master)
    for overrides in MIXED:
        ours, hydras = composer.compose(overrides), loader.load_sweep_config(master, overrides)
        assert OmegaConf.to_container(ours) == OmegaConf.to_container(hydras), overrides
        assert OmegaConf.to_yaml(ours, sort_keys=False) == OmegaConf.to_yaml(hydras)


def test_jobs_that_choose_the_same_groups_read_files_once(sweep, monkeypatch):
    loader, master = sweep
    composer, loads = Composer(loader, master), []
    load = type(loader).load_configuration
    monkeypatch.setattr(
        type(loader), "load_configuration", lambda *a, **o: loads.append(1) or load(*a, **o)
    )
    for seed in range(20):
        composer.compose(["flow=planar", f"seed={seed}"])
    assert len(loads) == 1


def test_errors_are_hydras(sweep):
    loader, master = sweep
    with pytest.raises(Exception, match=r"Could not override 'flow\.none'"):
        Composer(loader, master).compose(["flow.none=1"])


def test_a_child_gets_interpolations_as_the_parent_resolved_them(sweep):
    loader, master = sweep
    overrides = ["K=2", "run.dir=a/${hydra:job.num}_${now:%H%M%S%f}_K${K}"]
    composer = Composer(loader, master)
    job = composer.job(overrides, 7)
    packed = composer.pack(job)
    jobs = ComposedJobs(loader, {job.overrides: packed})
    first, second = (jobs.load_sweep_config(master, overrides) for _ in range(2))
    assert first.run.dir == second.run.dir == job.mapping["run"]["dir"]
    assert first.run.dir.startswith("a/7_")
    HydraConfig.instance().set_config(unpack(packed))
    assert HydraConfig.get().job.num == 7


def test_what_was_not_planned_is_composed(sweep):
    loader, master = sweep
    assert ComposedJobs(loader, {}).load_sweep_config(master, ["K=9"]).K == 9
