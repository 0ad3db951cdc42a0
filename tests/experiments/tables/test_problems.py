from pathlib import Path

import pytest
import yaml

from nfvae.experiments.tables.cells import make_cells
from nfvae.experiments.tables.collect import collect
from nfvae.experiments.tables.problems import OUTSIDE_GRID, find_missing

CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture
def missing_from(tmp_path):
    def missing() -> list[tuple]:
        found = collect([tmp_path])
        lacking = find_missing(make_cells(found.runs), found.unfinished)
        return [(m.protocol, m.flow, m.K, m.seeds, m.whole) for m in lacking]

    return missing


def test_a_seed_that_others_have(write_run, missing_from):
    write_run("a", config={}, seed=0)
    write_run("b", config={}, seed=1)
    write_run("c", config={}, seed=1, K=20)
    assert missing_from() == [("ours", "planar", 20, (0,), False)]


def test_an_unfinished_run_is_not_missing_and_its_seed_counts(
    write_run, write_unfinished, missing_from
):
    write_run("a", config={}, seed=0)
    write_run("b", config={}, seed=0, K=20)
    write_unfinished("c", seed=3, K=20)
    assert missing_from() == [("ours", "planar", 10, (3,), False)]


def test_a_model_without_any_run(write_run, missing_from):
    write_run("a", flow="planar", K=10)
    write_run("b", flow="planar", K=20)
    write_run("c", flow="radial", K=20)
    assert missing_from() == [("ours", "radial", 10, (0,), True)]


def test_families_with_one_k_are_outside_the_grid(write_run, missing_from):
    write_run("a", flow="none", K=0)
    write_run("b", flow="full_rank", K=1)
    write_run("c", flow="planar", K=10)
    assert missing_from() == []


def test_protocols_and_conditions_have_separate_grids(write_run, missing_from):
    write_run("a", seed=0)
    write_run("b", seed=1, protocol="paper")
    write_run("c", seed=2, binarization="dynamic")
    assert missing_from() == []


def test_families_outside_the_grid_are_those_whose_configuration_sets_k():
    fixed = set()
    for file in (CONF / "flow").glob("*.yaml"):
        content = yaml.safe_load(file.read_text())
        if "K" in content:
            fixed.add(content["flow"]["name"])
    assert fixed == OUTSIDE_GRID


def test_a_sweep_trains_one_model_with_k_0(write_run, missing_from):
    for flow, K in [("planar", 0), ("planar", 4), ("radial", 4)]:
        for seed in (0, 1):
            write_run(f"{flow}{K}{seed}", flow=flow, K=K, seed=seed)
    assert missing_from() == []
    write_run("third", flow="planar", K=4, seed=2)
    assert missing_from() == [
        ("ours", "planar", 0, (2,), False),
        ("ours", "radial", 4, (2,), False),
    ]


def test_the_gaussian_may_be_that_of_any_flow(write_run, missing_from):
    write_run("a", flow="none", K=0, seed=0)
    write_run("b", flow="planar", K=0, seed=1)
    write_run("c", flow="planar", K=4, seed=0)
    write_run("d", flow="planar", K=4, seed=1)
    assert missing_from() == []
