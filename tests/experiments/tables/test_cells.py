"""Means and deviations against numbers worked out by hand; runs that are no cell are refused."""

import math

import pytest

from nfvae.experiments.errors import ResultsError
from nfvae.experiments.tables import Estimate, collect, make_cells


@pytest.fixture
def cells_of(tmp_path):
    return lambda: make_cells(collect([tmp_path]).runs)


def test_mean_and_sample_deviation_over_seeds(write_run, cells_of):
    for seed, (neg_elbo, nll, units) in enumerate([(90, 86, 20), (91, 86, 21), (95, 89, 25)]):
        write_run(f"s{seed}", seed=seed, neg_elbo=neg_elbo, nll=nll, active_units=units)
    (cell,) = cells_of()
    assert cell.seeds == [0, 1, 2]
    assert cell.estimate("neg_elbo") == Estimate(92.0, math.sqrt((4 + 1 + 9) / 2), 3)
    assert cell.estimate("nll") == Estimate(87.0, math.sqrt((1 + 1 + 4) / 2), 3)
    assert cell.estimate("gap") == Estimate(5.0, math.sqrt((1 + 0 + 1) / 2), 3)
    assert cell.estimate("active_units") == Estimate(22.0, math.sqrt((4 + 1 + 9) / 2), 3)
    assert cell.estimate("kl") == Estimate(26.0, 0.0, 3)


def test_one_run_has_no_deviation(write_run, cells_of):
    write_run("only")
    (cell,) = cells_of()
    assert cell.estimate("neg_elbo") == Estimate(90.0, None, 1)


def test_standard_error_over_images_is_averaged(write_run, cells_of):
    write_run("a", seed=0, neg_elbo_se=0.25, nll_se=0.5)
    write_run("b", seed=1, neg_elbo_se=0.75, nll_se=1.0)
    (cell,) = cells_of()
    assert (cell.standard_error("neg_elbo"), cell.standard_error("nll")) == (0.5, 0.75)


def test_without_importance_samples_there_is_no_nll(write_run, cells_of):
    write_run("a", nll=None, nll_se=None, num_importance_samples=0)
    (cell,) = cells_of()
    assert cell.estimate("nll") is None
    assert cell.estimate("gap") is None
    assert cell.standard_error("nll") is None


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("K", 20),
        ("flow", "radial"),
        ("protocol", "paper"),
        ("protocol", None),
        ("data", "omniglot"),
        ("binarization", "dynamic"),
        ("split", "val"),
        ("train_on_val", True),
        ("latent_dim", 20),
        ("num_importance_samples", 500),
    ],
)
def test_what_differs_is_another_cell(write_run, cells_of, key, other):
    write_run("a", config={})
    write_run("b", config={}, **{key: other})
    assert [len(cell.runs) for cell in cells_of()] == [1, 1]


def test_in_order_of_protocol_flow_and_k_with_the_gaussian_first(write_run, cells_of):
    order = [
        (None, "planar", 10),
        ("ours", "none", 0),
        ("ours", "nice", 80),
        ("ours", "planar", 10),
        ("ours", "planar", 80),
        ("paper", "none", 0),
    ]
    for place, (protocol, flow, K) in enumerate(reversed(order)):
        write_run(str(place), protocol=protocol, flow=flow, K=K)
    assert [(cell.protocol, cell.flow, cell.K) for cell in cells_of()] == order


def test_a_seed_twice_is_refused_by_both_names(write_run, cells_of):
    write_run("one")
    write_run("copy")
    with pytest.raises(ResultsError, match=r"copy and \S*one are both .*K=10, seed 0"):
        cells_of()


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"optim": {"lr": 0.002}}, r"optim\.lr=0\.001, optim\.lr=0\.002"),
        ({"flow": {"constraint": "paper"}}, r"flow\.constraint=None, flow\.constraint=paper"),
        ({"trainer": {"max_steps": 9}}, r"trainer\.max_steps=50000, trainer\.max_steps=9"),
    ],
)
def test_other_settings_in_a_cell_are_refused_by_key(write_run, cells_of, section, told):
    write_run("a", config={}, seed=0)
    write_run("b", config=section, seed=1)
    with pytest.raises(ResultsError, match=told) as caught:
        cells_of()
    assert "seed=" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_changes_no_number_may_differ(write_run, cells_of):
    write_run("a", config={}, seed=0)
    write_run("b", config={"trainer": {"num_threads": 4}, "run": {"name": "b"}}, seed=1)
    assert cells_of()[0].seeds == [0, 1]


@pytest.mark.parametrize("key", ["steps", "num_parameters"])
def test_without_configurations_results_tell_settings_apart(write_run, cells_of, key):
    write_run("a", seed=0)
    write_run("b", config={}, seed=1, **{key: 7})
    with pytest.raises(ResultsError, match=f"{key}=.*{key}=7"):
        cells_of()


def test_runs_of_one_configuration_may_stop_at_different_steps(write_run, cells_of):
    write_run("a", config={}, seed=0, steps=30000)
    write_run("b", config={}, seed=1, steps=20000)
    assert cells_of()[0].steps == (20000, 30000)
