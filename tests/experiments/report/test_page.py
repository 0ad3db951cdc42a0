import json
import subprocess
import sys
from statistics import fmean, stdev

import pytest

from nfvae.experiments.errors import ResultsError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.report.page import make_page
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.tables.collect import collect


def results(folder):
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*/results.json"))]


def test_the_page_is_self_contained(sweep, read_page):
    text = make_page([sweep], collect([sweep]))
    page = read_page(text)
    assert {link.partition(":")[0] for link in page.fetched} == {"data"}
    assert not {"script", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert len(page.ids) == len(set(page.ids))
    assert [link for link in page.fetched if link.startswith("data:image/")]


def test_numbers_are_those_of_the_results(sweep, read_page):
    page = read_page(make_page([sweep], collect([sweep])))
    head, *rows = page.tables["runs"]
    shown = {(row[0], row[1], row[2]): dict(zip(head, row, strict=True)) for row in rows}
    made = results(sweep)
    assert len(shown) == len(made) == 4
    for run in made:
        row = shown[run["flow"], str(run["K"]), str(run["seed"])]
        assert row["−ELBO"] == f"{run['neg_elbo']:.2f} ± {run['neg_elbo_se']:.2f}"
        assert row["NLL"] == f"{run['nll']:.2f} ± {run['nll_se']:.2f}"
        assert row["KL"] == "25.11"
        assert row["Σ log-det"] == "−0.50"
        assert row["minutes"] == "1.5"
    head, gaussian, planar, _ = page.tables["results"]
    values = [run["neg_elbo"] for run in made if run["flow"] == "none"]
    assert gaussian[head.index("−ELBO")] == f"{fmean(values):.2f} ± {stdev(values):.2f}"
    assert gaussian[head.index("R&M 2015† −ELBO")] == "96.74"
    assert planar[head.index("n")] == "1"
    means = {
        model: fmean(run["neg_elbo"] for run in made if (run["flow"], run["K"]) == model)
        for model in {(run["flow"], run["K"]) for run in made}
    }
    (flow, K), lowest = min(means.items(), key=lambda item: item[1])
    assert f"lowest −ELBO, nats: {flow}, K = {K}{lowest:.2f}" in page.text


def test_an_evaluation_has_a_table_and_is_not_counted_as_a_run(sweep, read_page):
    before = read_page(make_page([sweep], collect([sweep])))
    measured = json.loads((sweep / "planar_10_0" / "results.json").read_text())
    again = measured | {"num_importance_samples": 200, "nll": 86.75}
    (sweep / "planar_10_0" / "evaluation_test.json").write_text(json.dumps(again))
    page = read_page(make_page([sweep], collect([sweep])))
    head, row = page.tables["results"][:2]
    assert dict(zip(head, row, strict=False))["NLL"] == "86.75"
    assert page.tables["results"][2:] == before.tables["results"]
    assert page.tables["runs"] == before.tables["runs"]
    assert page.text.count("missing") == before.text.count("missing")


def test_failed_incomplete_and_missing_runs_are_listed(sweep, read_page):
    page = read_page(make_page([sweep], collect([sweep])))
    text = " ".join(page.text.split())
    assert "failed " + str(sweep / "planar_10_1") in text
    assert "at step 2,000 of 50000 steps: loss was not finite at step 2100; <b>training</b>" in text
    assert "b" not in page.tags  # the message is text, not markup
    assert "unfinished " + str(sweep / "planar_40_0") in text
    assert "flow=planar K=20 seed=1" in text
    assert "There are no checkpoints" in text
    assert "varied: K0, 10, 20" in text  # a term and its description


def test_a_name_is_text(tmp_path, write_run, read_page):
    folder = write_run('<script>alert("1")<')
    page = read_page(make_page([folder], collect([folder])))
    assert "script" not in page.tags
    assert '<script>alert("1")<' in page.text


def test_an_unfinished_run_has_a_page(sweep, read_page):
    page = read_page(make_page([sweep / "planar_40_0"], collect([sweep / "planar_40_0"])))
    assert "planar, K = 40, seed 0" in page.text
    assert "results" not in page.tables
    assert page.tags.count("img") == 4


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(ResultsError, match="no run below"):
        make_page([tmp_path], collect([tmp_path]))


def test_pictures_of_a_trained_model_or_the_reason_why_there_are_none(
    small_config, tmp_path, read_page
):
    folder = RunFolder(tmp_path / "run")
    run_training(small_config("model.latent_dim=2"), folder, StopRequest())
    page = read_page(make_page([folder.path], collect([folder.path])))
    pictures = [link for link in page.fetched if link.startswith("data:image/png;base64,")]
    assert len(pictures) == 4
    for caption in (
        "its reconstruction",
        "Samples",
        "Interpolations",
        "The latent plane",
        "Activity",
    ):
        assert caption in page.text
    folder.best.write_bytes(b"no checkpoint")
    page = read_page(make_page([folder.path], collect([folder.path])))
    assert f"No pictures of {folder.path}: " in page.text
    assert not [link for link in page.fetched if link.startswith("data:image/png")]


def test_without_models_torch_is_not_imported(sweep):
    code = (
        "import sys; from nfvae.experiments.commands.report import report; "
        "assert report(sys.argv[1:]) == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(sweep)], check=True, capture_output=True)
    assert (sweep / "report.html").read_text().endswith("</html>")
