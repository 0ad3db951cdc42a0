"""Means and deviations against numbers worked out by hand; runs that do not belong together."""

import math

import pytest

from nfvae.experiments.tables.cells import Estimate, make_cells
from nfvae.experiments.tables.collect import collect


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


def variants(cells):
    return [(cell.variant, cell.seeds) for cell in cells]


def test_copies_of_a_run_count_once(write_run, cells_of):
    for name in ("one", "copy"):
        write_run(name, config={"run": {"name": name}})
    write_run("results only")
    (cell,) = cells_of()
    assert (cell.variant, len(cell.runs), cell.runs[0].path.name) == ("", 1, "copy")


@pytest.mark.parametrize("config", [{}, None])
def test_a_repeated_seed_with_other_numbers_is_labelled_by_folder(write_run, cells_of, config):
    for seed in (0, 1):
        write_run(f"mine/seed{seed}", config=config, seed=seed)
        write_run(f"sweeps/theirs/seed{seed}", config=config, seed=seed, neg_elbo=90.5)
    write_run("mine/K20", config=config, K=20)
    ours, theirs, other = cells_of()
    start = ours.variant.removesuffix("mine")
    assert variants([ours, theirs]) == [(f"{start}mine", [0, 1]), (f"{start}sweeps/theirs", [0, 1])]
    assert (other.K, other.variant) == (20, ours.variant)


def test_a_repeated_seed_in_one_folder_is_labelled_by_run(write_run, cells_of):
    write_run("a")
    write_run("b", neg_elbo=90.5)
    assert [variant.rpartition("/")[2] for variant, _ in variants(cells_of())] == ["a", "b"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"optim": {"lr": 0.002}}, ["optim.lr=0.001", "optim.lr=0.002"]),
        ({"flow": {"constraint": "paper"}}, ["", "flow.constraint=paper"]),
        ({"trainer": {"max_steps": 9}}, ["trainer.max_steps=50000", "trainer.max_steps=9"]),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_runs_with_other_settings_are_separate_cells(write_run, cells_of, section, expected, seed):
    write_run("a", config={}, seed=0)
    write_run("b", config=section, seed=seed)
    assert variants(cells_of()) == [(expected[0], [0]), (expected[1], [seed])]


def test_variants_name_the_same_keys_for_every_model(write_run, cells_of):
    write_run("a", config={})
    write_run("b", config={"optim": {"lr": 0.002}})
    write_run("c", config={"optim": {"lr": 0.002, "name": "rmsprop"}}, K=20)
    lr = ["optim.lr=0.001", "optim.lr=0.002", "optim.lr=0.002"]
    assert [cell.variant for cell in cells_of()] == lr


def test_a_configuration_of_0_1_equals_one_that_names_its_defaults(write_run, cells_of):
    write_run("old", config={"optim": {"betas": [0.9, 0.999], "momentum": 0.0}}, seed=0)
    folder = write_run("new", config={"optim": {"betas": [0.9, 0.999]}}, seed=1)
    with (folder / "config.yaml").open("a") as file:
        file.write("likelihood: {name: bernoulli}\nflow: {name: planar, fused: true}\n")
    assert variants(cells_of()) == [("", [0, 1])]


def test_values_that_look_alike_in_a_label_are_not_merged(write_run, cells_of):
    for name, value in (("a", "x" * 90), ("b", "x" * 91), ("c", "x")):
        write_run(name, config={"flow": {"size": value}})
    assert [len(cell.runs) for cell in cells_of()] == [1, 1, 1]
    assert all(len(cell.variant) < 100 for cell in cells_of())


def test_other_data_of_one_name_are_another_table(write_run, cells_of):
    write_run("old", config={}, seed=0)
    write_run("new", config={}, seed=1, data_digest="ab" * 32)
    assert variants(cells_of()) == [("", [0, 1])]
    write_run("other", config={}, seed=2, data_digest="cd" * 32)
    assert [(cell.conditions.data_digest, cell.seeds) for cell in cells_of()] == [
        (None, [0]),
        ("ab" * 32, [1]),
        ("cd" * 32, [2]),
    ]
    assert cells_of()[1].conditions.parts()[2] == "sha256=abababab"


@pytest.mark.parametrize(
    ("changes", "label"),
    [({"model": "gated_conv"}, "model=gated_conv"), ({"prior": "gaussian_mixture"}, "prior=")],
)
@pytest.mark.parametrize("config", [None, {}])
def test_other_networks_and_priors_are_named_also_at_another_k(
    write_run, cells_of, changes, label, config
):
    sections = {name: {"name": value} for name, value in changes.items()} if config == {} else None
    write_run("a", config=config)
    write_run("b", config=sections, K=20, **changes)
    usual, other = cells_of()
    assert label in other.variant
    assert label not in usual.variant


def test_options_that_0_1_did_not_have_make_no_variant(write_run, cells_of):
    write_run("old", config={}, seed=0)
    new = {
        "model": {"name": "mlp", "dropout": 0.0},
        "prior": {"name": "standard_normal"},
        "objective": {"beta": 1.0, "free_bits": 0.0},
    }
    write_run("new", config=new, seed=1)
    assert variants(cells_of()) == [("", [0, 1])]


def test_another_likelihood_is_another_table(write_run, cells_of):
    write_run("old", config={})
    folder = write_run("new", config={})
    with (folder / "config.yaml").open("a") as file:
        file.write("likelihood: {name: normal}\n")
    write_run("named", likelihood="normal", seed=1)
    assert [(cell.conditions.likelihood, cell.seeds) for cell in cells_of()] == [
        ("bernoulli", [0]),
        ("normal", [0, 1]),
    ]


def test_what_changes_no_number_may_differ(write_run, cells_of):
    write_run("a", config={}, seed=0)
    write_run("b", config={"trainer": {"num_threads": 4}, "run": {"name": "b"}}, seed=1)
    assert cells_of()[0].seeds == [0, 1]


@pytest.mark.parametrize("key", ["steps", "num_parameters"])
def test_without_configurations_results_tell_settings_apart(write_run, cells_of, key):
    usual = {"steps": 50000, "num_parameters": 1000}[key]
    write_run("a", seed=0)
    write_run("b", config={}, seed=1, **{key: 7})
    assert variants(cells_of()) == [(f"{key}={usual}", [0]), (f"{key}=7", [1])]


def test_runs_of_one_configuration_may_stop_at_different_steps(write_run, cells_of):
    write_run("a", config={}, seed=0, steps=30000)
    write_run("b", config={}, seed=1, steps=20000)
    assert cells_of()[0].steps == (20000, 30000)
