"""Results of evaluate.py are shown in separate tables."""

import json

import pytest

from nfvae.experiments.commands.table import table
from nfvae.experiments.tables.cells import make_cells
from nfvae.experiments.tables.collect import collect

AGAIN = {
    "neg_elbo": 90.5,
    "neg_elbo_se": 0.5,
    "distortion": 64.5,
    "kl": 26.5,
    "sum_log_det": 1.0,
    "active_units": 21,
    "nll": 85.5,
    "nll_se": 0.25,
    "num_importance_samples": 200,
    "split": "test",
    "run": "outputs/planar_K10_seed0",
    "checkpoint": "best",
    "step": 40000,
    "elbo_draws": 4,
    "binarization": "fixed",
}


@pytest.fixture
def evaluated(write_run):
    """A run of seed 0 and an evaluation of it."""

    def write(**changes):
        folder = write_run("run", {}, best_step=40000, train_on_val=False)
        content = {key: value for key, value in (AGAIN | changes).items() if value is not ...}
        file = folder / f"evaluation_{content.get('split')}.json"
        file.write_text(json.dumps(content))
        return folder, file

    return write


@pytest.mark.parametrize("changes", [{}, {"split": "val", "num_importance_samples": 5000}])
def test_an_evaluation_under_other_conditions_is_a_separate_run(evaluated, changes):
    folder, _ = evaluated(**changes)
    found = collect([folder])
    (run,), (again,) = found.runs, found.evaluations
    assert (run.results.neg_elbo, run.results.nll) == (90.0, 86.0)
    assert (again.results.neg_elbo, again.results.nll, again.results.kl) == (90.5, 85.5, 26.5)
    assert (again.results.nll_se, again.results.active_units) == (0.25, 21)
    assert again.results.flow == run.results.flow
    assert again.results.split == changes.get("split", "test")
    assert again.config["optim"] == run.config["optim"]
    samples = changes.get("num_importance_samples", 200)
    assert again.config["eval"] == {"checkpoint": "best", "num_samples": samples, "elbo_draws": 4}
    own, other = make_cells([run, again])
    assert {own.conditions, other.conditions} == {run.results.conditions, again.results.conditions}


def test_an_evaluation_without_train_on_val_has_that_of_the_run(write_run):
    folder = write_run("run", {}, train_on_val=True, best_step=40000)
    (folder / "evaluation_test.json").write_text(json.dumps(AGAIN))
    assert collect([folder]).evaluations[0].results.train_on_val is True


def test_under_the_same_conditions_the_runs_own_results_count(evaluated):
    folder, _ = evaluated(num_importance_samples=5000)
    assert collect([folder]).evaluations == []


def test_an_evaluation_without_a_configuration(evaluated):
    folder, _ = evaluated()
    (folder / "config.yaml").unlink()
    assert collect([folder]).evaluations[0].config is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": 30000}, "has step=30000, but the run's best checkpoint has step=40000; evaluate"),
        ({"checkpoint": "last"}, "has step=40000, but the run's last checkpoint has step=50000"),
        ({"nll": ...}, "nll is missing"),
        ({"checkpoint": ...}, "checkpoint is missing"),
        ({"checkpoint": "newest"}, "checkpoint='newest' should be 'best' or 'last'"),
        ({"split": "all"}, "split='all' should be"),
        ({"elbo_draws": {"a": 1}}, "elbo_draws={'a': 1} should be a valid integer"),
        ({"step": "40000"}, "step='40000' should be a valid integer"),
        ({"binarization": "static"}, "has data.binarization=static, but the run's best checkpoint"),
        ({"train_on_val": True}, "has data.train_on_val=True"),
        ({"nll": "85"}, "nll='85' should be a valid number"),
        ({"num_importance_samples": 0}, "must be null exactly where"),
    ],
)
def test_what_cannot_be_used_is_left_out_with_a_warning(evaluated, changes, message, capsys):
    folder, file = evaluated(**changes)
    found = collect([folder])
    assert (len(found.runs), found.evaluations) == (1, [])
    (warning,) = found.warnings
    assert warning.startswith(str(file))
    assert message in warning
    assert "\n" not in warning
    assert table([str(folder)]) == 0
    assert capsys.readouterr().err == f"left out    {warning}\n"


@pytest.mark.parametrize("content", ["{", "[1]", '{"neg_elbo": 1}', "\x00"])
def test_a_damaged_evaluation_is_left_out(evaluated, content):
    folder, file = evaluated()
    file.write_text(content)
    assert len(collect([folder]).warnings) == 1


def test_a_copy_under_another_name_is_left_out(evaluated):
    folder, file = evaluated(split="val")
    file.rename(folder / "evaluation_val copy.json")
    (warning,) = collect([folder]).warnings
    assert "has split=val, which does not match its name; rename it" in warning


def test_other_entries_of_an_evaluation_are_ignored(evaluated):
    folder, _ = evaluated(flow="radial", K=3, seed=7, latent_dim=2, steps=10, num_parameters=5)
    (run,), (again,) = collect([folder]).runs, collect([folder]).evaluations
    for name in ("flow", "K", "seed", "latent_dim", "steps", "num_parameters"):
        assert getattr(again.results, name) == getattr(run.results, name)


def test_an_evaluation_from_before_steps_were_kept_is_taken(evaluated):
    folder, _ = evaluated(step=...)
    assert len(collect([folder]).evaluations) == 1


def test_tables_show_results_and_evaluations(evaluated, write_run, tmp_path, capsys):
    evaluated()
    write_run("other", {}, seed=1)
    assert table([str(tmp_path)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    heads = [line for line in output.out.splitlines() if line.startswith("MNIST")]
    assert ["S = 200. " in head for head in heads] == [True, False]
    assert output.out.count("| planar | 10 | 90.50 | 85.50 | 5.00 | 26.50 | 21 |") == 1
    assert output.out.count("| planar | 10 | 90.00 ± 0.00 | 86.00 ± 0.00 | 4.00 ± 0.00 |") == 1


def test_published_values_are_compared_with_the_test_split_only(evaluated, capsys):
    folder, _ = evaluated(split="train")
    table([str(folder)])
    own, again = (part for part in capsys.readouterr().out.split("MNIST, ") if part)
    assert "R&M 2015" in own
    assert "R&M 2015" not in again
