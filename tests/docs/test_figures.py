"""Figures in the documentation are those of the files in outputs/reference."""

import csv
import json
import re
from collections import Counter

import pytest
import yaml

from nfvae.data import DATASETS
from nfvae.experiments.commands.table import table
from nfvae.flows import FLOWS
from nfvae.likelihoods import LIKELIHOODS
from nfvae.networks import NETWORKS
from nfvae.priors import PRIORS

from .pages import README, REFERENCE, ROOT


def read(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text()


FRONT, FLOWS_PAGE, SPEED, ENERGIES, TABLE2 = (
    README.read_text(),
    *map(read, ("flows", "speed", "energies", "rezende2015")),
)
TABLES = [REFERENCE / name for name in ("rezende2015_static", "rezende2015", "rezende2015_50000")]
TRIED = REFERENCE / "rezende2015_tried"
TRIED_README = (TRIED / "README.md").read_text()


def rows(text: str, first_cell: str) -> list[list[str]]:
    lines = re.findall(rf"^\| `{first_cell}` .*\|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*_K*_seed*/results.json")), ids=str)
def test_result_rows_are_the_files(path):
    results = json.loads(path.read_text())
    extra = path.parent.name.partition("_seed0")[2].replace("_", " ").replace("-", "=")
    (row,) = rows(FRONT, re.escape(f"flow={results['flow']} K={results['K']}{extra}"))
    assert row[1:] == [
        f"{results['neg_elbo']:.2f} ± {results['neg_elbo_se']:.2f}",
        f"{results['nll']:.2f} ± {results['nll_se']:.2f}",
        f"{results['kl']:.2f}",
        f"{results['sum_log_det']:.2f}",
        str(results["active_units"]),
        f"{results['train_seconds'] / 60:.1f}",
    ]
    assert results["binarization"] == "dynamic"
    assert results["num_importance_samples"] == 500


@pytest.mark.parametrize(
    "path", sorted(REFERENCE.glob("flows_2000_steps/*/results.json")), ids=lambda p: p.parent.name
)
def test_rows_of_2000_updates_are_the_files(path):
    results = json.loads(path.read_text())
    assert (results["flow"], results["steps"]) == (path.parent.name, 2000)
    row = f"| `{results['flow']}`, K = {results['K']} | {results['neg_elbo']:.2f} "
    assert f"{row}| {results['num_parameters']:,} |\n" in FLOWS_PAGE


def test_speed_is_the_file():
    results = json.loads((REFERENCE / "speed" / "results.json").read_text())
    assert f"\n{results['steps_per_second']:.1f} steps per second" in SPEED


def test_benchmark_rows_are_the_file():
    measured = json.loads((REFERENCE / "benchmark" / "benchmark.json").read_text())
    columns = ("nfvae", "loop", "bmm loop", "pyro", "normflows")
    for row in measured["flow"]:
        assert f"| {row['K']} | {row['B']} | {cells(row, columns)} |\n" in SPEED
    columns = ("nfvae", "compiled", "jax", "loop", "bmm loop", "textbook", "limit")
    for row in measured["step"]:
        assert f"| {row['K']} | {row['B']} | {cells(row, columns)} |\n" in SPEED
    for row in measured["compile"]:
        columns = ("eager", "compiled", "first start, s", "next start, s")
        assert f"| {row['flow']} | {row['K']} | {cells(row, columns)} |\n" in SPEED
    for row in measured["nll"]:
        assert f"{row['images·samples/s'] / 1000:.0f},000 at K = {row['K']}" in SPEED
    (start,) = measured["startup"]
    for seconds in start.values():
        assert f"{seconds:.1f} s" in SPEED


def test_ratios_are_those_of_the_file():
    measured = json.loads((REFERENCE / "benchmark" / "benchmark.json").read_text())
    text = " ".join(SPEED.split())
    for batch in (100, 1000):
        rows = [row for row in measured["step"] if row["B"] == batch]
        eager, compiled = (
            ", ".join(f"{row[name] / row['jax']:.2f}" for row in rows)
            for name in ("nfvae", "compiled")
        )
        assert f"{eager} at B = {batch} (compiled {compiled})" in text
    (k16, k80) = (row["pyro"] / row["nfvae"] for row in measured["flow"] if row["B"] == 100)
    assert f"{k16:.1f} (K = 16) and {k80:.1f} (K = 80) times as fast as Pyro's" in text


def cells(row, columns):
    return " | ".join("–" if name not in row else f"{row[name]:.1f}" for name in columns)


@pytest.mark.parametrize("folder", ["rezende_figure3_seed0", "planar_energies_seed0"])
def test_energy_rows_are_the_file(folder):
    fits = json.loads((REFERENCE / folder / "results.json").read_text())["fits"]
    for energy in ("U1", "U2", "U3", "U4"):
        kls = [f"{fit['kl']:.3f}" for fit in fits if fit["energy"] == energy]
        assert f"| {energy} | {' | '.join(kls)} |\n" in ENERGIES


def test_kl_falls_with_k_for_each_energy():
    fits = json.loads((REFERENCE / "planar_energies_seed0" / "results.json").read_text())["fits"]
    for energy in ("U1", "U2", "U3", "U4"):
        kls = [
            fit["kl"] for fit in sorted(fits, key=lambda fit: fit["K"]) if fit["energy"] == energy
        ]
        assert len(kls) == 3
        assert kls == sorted(kls, reverse=True)


@pytest.mark.parametrize("folder", TABLES, ids=lambda folder: folder.name)
def test_reference_tables_follow_from_the_result_files(folder, tmp_path):
    assert table([str(folder), "--out", str(tmp_path)]) == 0
    for name in ("table.md", "table.tex", "table.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    assert (folder / "table.md").read_text() in TABLE2


@pytest.mark.parametrize("path", sorted(TRIED.glob("*/evaluation_train.json")), ids=str)
def test_figures_of_overfitting_are_the_files(path):
    train, test = (json.loads(file.read_text()) for file in (path, path.parent / "results.json"))
    assert (train["split"], test["split"]) == ("train", "test")
    assert train["num_importance_samples"] == test["num_importance_samples"]
    expected = (
        f"the NLL is {train['nll']:.2f} on the training split and {test['nll']:.2f} on the test"
    )
    assert expected in " ".join(TRIED_README.split())


@pytest.mark.parametrize("path", sorted(TRIED.glob("*/evaluation_test.json")), ids=str)
def test_figures_of_more_samples_are_the_files(path):
    more, fewer = (json.loads(file.read_text()) for file in (path, path.parent / "results.json"))
    expected = (
        f"NLL of {fewer['nll']:.2f} on the test split with S = {fewer['num_importance_samples']} "
        f"and of {more['nll']:.2f} with S = {more['num_importance_samples']} "
    )
    assert expected in " ".join(TRIED_README.split())


@pytest.mark.parametrize("path", sorted(TRIED.glob("*/results.json")), ids=str)
def test_rows_of_tried_settings_are_the_files(path):
    results = json.loads(path.read_text())
    config = yaml.safe_load((path.parent / "config.yaml").read_text())
    assert (results["seed"], results["checkpoint"]) == (0, "best")
    assert (results["binarization"], results["num_importance_samples"]) == ("fixed", 500)
    assert results["steps"] == config["trainer"]["max_steps"]
    assert not config["data"].get("train_on_val")
    keys = ("lr", "weight_decay", "decoder_lr", "decoder_weight_decay")
    options = [config["optim"].get(key) for key in keys]
    cells = [results["flow"], results["K"], f"{results['steps']:,}"]
    cells += ["–" if option is None else f"{option:g}" for option in options]
    measured = path.parent / "evaluation_val.json"
    nll = f"{json.loads(measured.read_text())['nll']:.2f}" if measured.exists() else "–"
    cells += [f"{results['val_neg_elbo']:.2f}", nll]
    cells += [f"{results['neg_elbo']:.2f}", f"{results['nll']:.2f}"]
    assert f"| {' | '.join(map(str, cells))} |\n" in TRIED_README


def test_every_row_of_tried_settings_has_a_file():
    kept = TRIED_README.partition("## Figures whose files are not kept")[0]
    files = list(TRIED.glob("*/results.json"))
    assert len(re.findall(r"^\| (?:none|planar) \|", kept, re.MULTILINE)) == len(files)


def test_every_row_of_2000_updates_has_a_file():
    files = list(REFERENCE.glob("flows_2000_steps/*/results.json"))
    assert len(re.findall(r"^\| `\w+`, K = \d+ \|", FLOWS_PAGE, re.MULTILINE)) == len(files)


def test_counts_of_combinations_are_those_of_the_file():
    with (REFERENCE / "every_combination" / "results.csv").open(newline="") as file:
        outcomes = Counter(row["outcome"] for row in csv.DictReader(file))
    assert outcomes.keys() == {"fell", "refused"}
    text = " ".join(read("parts").split())
    assert f" {outcomes['fell']} combinations trained for 500 updates" in text
    assert f" {outcomes['refused']} combinations of data and likelihood do not fit" in text


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_every_flow_has_a_row(name):
    assert len(rows(FLOWS_PAGE, name)) == 1


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_data_set_has_a_row(name):
    assert len(rows(read("data"), name)) == 1


@pytest.mark.parametrize("name", sorted([*NETWORKS, *LIKELIHOODS, *PRIORS]))
def test_every_part_has_a_row(name):
    assert len(rows(read("parts"), name)) == 1
