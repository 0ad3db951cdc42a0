from nfvae.experiments.report.run_texts import choose_models, configuration, provenance, run_columns
from nfvae.experiments.tables.collect import collect


def test_best_of_every_flow_before_medians(tmp_path, write_run):
    for flow, values in {"planar": (90, 91, 92), "nice": (95,), "none": (99, 97)}.items():
        for seed, value in enumerate(values):
            write_run(f"{flow}{seed}", flow=flow, seed=seed, K=1, neg_elbo=float(value))
    runs = collect([tmp_path]).runs
    chosen = {path.name: why for path, why in choose_models(runs, max_number=9).items()}
    assert chosen == {
        "planar0": "planar, K = 1, seed 0: lowest −ELBO of its flow",
        "nice0": "nice, K = 1, seed 0: lowest −ELBO of its flow",
        "none1": "none, K = 1, seed 1: lowest −ELBO of its flow",
        "planar1": "planar, K = 1, seed 1: median −ELBO of its flow",
    }
    assert [path.name for path in choose_models(runs, max_number=2)] == ["planar0", "nice0"]


def test_configurations_are_split_into_varying_and_shared():
    first = {"K": 2, "optim": {"lr": 0.1, "name": "adam"}, "run": {"dir": "a"}, "device": "cpu"}
    second = {"K": 10, "optim": {"lr": 0.1}, "run": {"dir": "b"}, "device": "cuda"}
    varying, shared = configuration([first, second])
    assert varying == [("K", "2, 10"), ("optim.name", "adam, –")]
    assert shared == "optim.lr: 0.1\n"
    assert configuration([first])[0] == []
    assert "lr: 0.1" in configuration([first])[1]


def test_provenance_names_every_value_once(tmp_path, write_run):
    made = {"versions": {"torch": "2.6"}, "train_seconds": 1800.0, "device": "cpu"}
    write_run("a", git_commit="a", **made)
    write_run("b", git_commit="b", **made, num_threads=2, precision="float32", seed=1)
    write_run("c", git_commit=None, num_parameters=2000, seed=2)
    assert provenance(collect([tmp_path]).runs) == [
        ("commit", "a; b"),
        ("versions", "torch 2.6"),
        ("trained on", "cpu; cpu, 2 threads, float32"),
        ("parameters", "1,000 to 2,000"),
        ("training time, all runs", "1.00 h"),
    ]


def test_an_objective_that_is_not_a_bound_is_named(tmp_path, write_run):
    write_run("a")
    assert "objective" not in dict(provenance(collect([tmp_path]).runs))
    write_run("b", beta=0.5, seed=1)
    write_run("c", free_bits=3.0, seed=2)
    told = dict(provenance(collect([tmp_path]).runs))["objective"]
    for settings in ("beta=0.5, free_bits=0", "beta=1, free_bits=3"):
        assert f"{settings}: the training loss is not an −ELBO" in told


def test_a_row_of_an_older_file_has_gaps(tmp_path, write_run):
    changes = {"nll": None, "nll_se": None, "num_importance_samples": 0, "sum_log_det": None}
    folder = write_run("run", **changes)
    row = {column.head: column.entries for column in run_columns(collect([folder]).runs)}
    assert [row[head] for head in ("NLL", "Σ log-det", "minutes")] == [("–",)] * 3
    assert row["−ELBO"] == ("90.00 ± 0.25",)
