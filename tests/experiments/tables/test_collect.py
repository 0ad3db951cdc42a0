import json
import math

import pytest
import yaml

from nfvae.errors import NfvaeError
from nfvae.experiments.errors import ResultsError
from nfvae.experiments.tables.collect import collect


def refusal(folder, error=NfvaeError):
    """The one line that collecting the folder ends in."""
    with pytest.raises(error) as caught:
        collect([folder])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_finds_runs_at_any_depth_once(write_run, tmp_path):
    write_run("sweep/deep/a", seed=1)
    write_run("b")
    write_run(".hidden/c")
    found = collect([tmp_path, tmp_path / "sweep", tmp_path / "b" / ".." / "b"])
    assert [run.path.name for run in found.runs] == ["b", "a"]
    assert [run.results.seed for run in found.runs] == [0, 1]
    assert found.unfinished == []


def test_the_order_of_folders_does_not_matter(write_run):
    folders = [write_run(name, seed=seed) for seed, name in enumerate("dbca")]
    assert collect(folders) == collect(reversed(folders))


def test_collects_hundreds_of_runs(write_run, tmp_path):
    for seed in range(400):
        write_run(f"run{seed}", seed=seed)
    assert sorted(run.results.seed for run in collect([tmp_path]).runs) == list(range(400))


def test_fits_to_energies_are_skipped(tmp_path):
    for name, content in {"one": {"energy": "U1", "kl": 0.1}, "many": {"fits": []}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(content))
    assert collect([tmp_path]).runs == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neg_elbo": "90"}, "neg_elbo='90' should be a valid number"),
        ({"neg_elbo": math.nan}, "neg_elbo=nan should be a finite number"),
        ({"kl": math.inf}, "kl=inf should be a finite number"),
        ({"kl": None}, "kl=None should be a valid number"),
        ({"K": 2.5}, "K=2.5 should be a valid integer"),
        ({"K": True}, "K=True should be a valid integer"),
        ({"seed": -1}, "seed=-1 should be greater than or equal to 0"),
        ({"neg_elbo": 1e308}, "neg_elbo=1e+308 should be less than or equal to 1000000000000"),
        ({"active_units": 10**400}, "active_units=100000"),
        ({"split": "all"}, "split='all' should be 'train', 'val' or 'test'"),
        ({"flow": "a|b\n" * 99}, "flow='a|b\\na|b"),
        ({"protocol": ""}, "protocol='' should match pattern"),
        ({"nll": None}, "must be null exactly where num_importance_samples is 0"),
        ({"num_importance_samples": 0}, "must be null exactly where num_importance_samples is 0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(write_run, changes, message):
    folder = write_run("wrong", **changes)
    line = refusal(folder, ResultsError)
    assert line.startswith(f"{folder / 'results.json'}: ")
    assert message in line


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00", '{"neg_elbo": 1}', "[" * 99999])
def test_a_damaged_file_is_refused_by_name(write_run, content):
    folder = write_run("damaged")
    (folder / "results.json").write_text(content)
    assert "damaged/results.json" in refusal(folder)


def test_a_missing_key_is_named(write_run):
    folder = write_run("short")
    content = json.loads((folder / "results.json").read_text())
    del content["kl"]
    (folder / "results.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match="kl is missing"):
        collect([folder])


def test_a_data_set_without_binarization(write_run, write_unfinished):
    """Its configuration has no such option; its results say none."""
    changes = {"binarization": "none", "train_on_val": True}
    for folder in (write_run("done", {}, **changes), write_unfinished("cut", config={}, **changes)):
        file = folder / "config.yaml"
        config = yaml.safe_load(file.read_text())
        config["data"] = {"name": "mnist"}
        file.write_text(yaml.safe_dump(config))
        found = collect([folder])
        conditions = [run.results.conditions for run in found.runs]
        conditions += [run.conditions for run in found.unfinished]
        assert conditions[0].binarization == "none"


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ResultsError, match="nowhere is not a folder"):
        collect([tmp_path / "nowhere"])


def test_results_without_a_protocol(write_run):
    folder = write_run("older")
    content = json.loads((folder / "results.json").read_text())
    del content["protocol"]
    (folder / "results.json").write_text(json.dumps(content))
    assert collect([folder]).runs[0].results.protocol is None


def test_train_on_val_of_older_results_comes_from_the_configuration(write_run, write_unfinished):
    trained = {"data": {"train_on_val": True}}
    complete, cut = write_run("complete", trained), write_unfinished("cut", config=trained)
    found = collect([complete, cut])
    assert found.runs[0].results.train_on_val is True
    assert found.unfinished[0].conditions == found.runs[0].results.conditions


LOG = '{"step": 5, "train/neg_elbo": 1.0}\n{"step": 10, "train/neg_elbo": 1.0}\n'


@pytest.mark.parametrize(
    ("log", "step"),
    [("", 0), (LOG, 10), (LOG + '{"step": 1', 10), ('{"st', 0), (LOG + '{"step": Infinity}\n', 10)],
)
def test_the_step_of_an_unfinished_run(write_unfinished, log, step):
    folder = write_unfinished("cut", log, K=20, seed=2)
    (run,) = collect([folder]).unfinished
    assert (run.flow, run.K, run.seed, run.protocol) == ("planar", 20, 2, "ours")
    assert (run.step, run.budget) == (step, "50000 steps")


def test_an_unfinished_run_counted_in_epochs(write_unfinished):
    folder = write_unfinished("cut", config={"trainer": {"max_epochs": 80}})
    assert collect([folder]).unfinished[0].budget == "80 epochs"


def test_an_unfinished_run_has_the_conditions_of_a_complete_one(write_run, write_unfinished):
    complete, cut = write_run("complete"), write_unfinished("cut")
    found = collect([complete, cut])
    assert found.unfinished[0].conditions == found.runs[0].results.conditions


@pytest.mark.parametrize("content", ["trainer: 3", "trainer: {}", "- a", "{", "K: [", "\x01"])
def test_a_damaged_configuration_is_refused_by_name(write_unfinished, content):
    folder = write_unfinished("damaged")
    (folder / "config.yaml").write_text(content)
    assert "damaged/config.yaml" in refusal(folder)


def test_a_wrong_value_of_a_configuration_is_refused_by_name(write_unfinished):
    folder = write_unfinished("wrong", K="ten")
    with pytest.raises(ResultsError, match=r"config\.yaml: K='ten' should be a valid integer"):
        collect([folder])


MNIST = {"name": "mnist", "binarization": "fixed"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"K": 20}, "has K=20, but the results.json beside it was made with K=10"),
        ({"protocol": "paper"}, "has protocol=paper, but the results.json beside it was made with"),
        ({"data": MNIST | {"binarization": "dynamic"}}, "has data.binarization=dynamic"),
        ({"eval": {"num_samples": 3, "checkpoint": "best"}}, "has eval.num_samples=3"),
        (
            {"data": MNIST | {"train_on_val": True}},
            "has data.train_on_val=True, but the results.json",
        ),
        ({"flow": None}, "is not the configuration of a run"),
        ({"optim": [1]}, "is not the configuration of a run"),
        ({"trainer": "fast"}, "is not the configuration of a run"),
        ({"flow": {"name": "planar", 1: "a"}}, "is not a mapping of keys to values"),
    ],
)
def test_a_configuration_of_another_run_is_refused_by_name(write_run, changes, message):
    file = write_run("mixed", {}, train_on_val=False) / "config.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))
    line = refusal(file.parent)
    assert line.startswith(str(file))
    assert message in line


@pytest.mark.parametrize(
    "value", ["2001-99-99", "0x_", "!!bool foo", "!!timestamp foo", "9" * 5000]
)
def test_an_invalid_scalar_is_refused_by_name(write_run, value):
    folder = write_run("odd", {})
    with (folder / "config.yaml").open("a") as file:
        file.write(f"x: {value}\n")
    assert "odd/config.yaml is not valid YAML" in refusal(folder)


def test_a_mapping_that_holds_itself_is_refused_by_name(write_run):
    folder = write_run("odd", {})
    with (folder / "config.yaml").open("a") as file:
        file.write("x: &a {b: *a}\n")
    assert "odd/config.yaml is not valid YAML" in refusal(folder)


def test_links_to_runs_are_followed_once(write_run, tmp_path):
    run = write_run("elsewhere/run", seed=3)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "link").symlink_to(run)
    (tmp_path / "sweep" / "again").symlink_to(run)
    (tmp_path / "sweep" / "round").symlink_to(tmp_path / "sweep")
    assert [run.results.seed for run in collect([tmp_path / "sweep"]).runs] == [3]
