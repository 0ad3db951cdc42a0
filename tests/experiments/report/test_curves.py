"""Curves are of the validation split, or of training in a run without validation."""

import json

import pytest

from nfvae.experiments.report import curves
from nfvae.experiments.report.curves import run_curves, sweep_curves
from nfvae.experiments.tables.collect import collect


@pytest.fixture
def logged(tmp_path):
    def write(*splits):
        terms = ("neg_elbo", "distortion", "kl", "log_det")
        lines = [
            {"step": step, **{f"{split}/{term}": 100 / step for split in splits for term in terms}}
            for step in range(1, 5)
        ]
        text = "".join(json.dumps(line | {"flow/log_det_step_01": 0.1}) + "\n" for line in lines)
        (tmp_path / "metrics.jsonl").write_text(text if splits else "")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("splits", "said"), [(("train", "val"), "validation"), (("train",), "training")]
)
def test_captions_name_the_split_that_is_drawn(logged, splits, said):
    captions = [graphic.caption for graphic in run_curves(logged(*splits), latent_dim=2)]
    assert captions[0].startswith("−ELBO during training.")
    assert captions[1].startswith(f"Terms of the {said} bound")
    assert captions[2].endswith(f"mean over 1,000 {said} images at step 4")


def test_without_a_log_there_are_no_curves(logged):
    assert list(run_curves(logged(), latent_dim=2)) == []


def test_a_sweep_is_drawn_where_it_validated(sweep):
    found = collect([sweep])

    def captions():
        return [graphic.caption for graphic in sweep_curves(found.runs, found.unfinished)]

    validated = captions()
    titles = [caption.partition(" during")[0] for caption in validated]
    assert titles == ["planar: validation −ELBO"]
    logs = sorted(sweep.glob("*/metrics.jsonl"))
    logs[0].write_text(logs[0].read_text().replace("val/", "train/"))
    assert [caption.partition(" during")[0] for caption in captions()] == [
        "no flow: training −ELBO",
        "planar: validation −ELBO",
    ]
    for metrics in logs:
        metrics.write_text(metrics.read_text().replace("val/", "train/"))
    assert captions() == [caption.replace("validation", "training") for caption in validated]


def test_transforms_are_in_order_beyond_99(tmp_path, monkeypatch):
    drawn = []
    figure = curves.log_det_figure
    monkeypatch.setattr(
        curves, "log_det_figure", lambda values: drawn.extend(values) or figure(values)
    )
    by_step = {f"flow/log_det_step_{k:02}": float(k) for k in range(1, 121)}
    bound = {f"{split}/{term}": 9.0 for split in ("train", "val") for term in ("neg_elbo", "kl")}
    line = {"step": 1, **bound, **by_step, "flow/log_det_step_all": 7.0}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    list(run_curves(tmp_path, latent_dim=2))
    assert drawn == list(range(1, 121))
