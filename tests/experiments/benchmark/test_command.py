import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from nfvae.experiments.commands.benchmark import benchmark

CONF = Path(__file__).parents[3] / "conf"


def test_one_run_makes_the_table_and_the_json(tmp_path, capsys):
    small = ["parts=[flow,step]", "K=[0,2]", "batch_size=[8]", "repeats=1"]
    small += ["compiled=false", "peers=false"]
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = compose("benchmark", overrides=[*small, f"folder={tmp_path}"])
    assert benchmark(OmegaConf.to_container(composed)) == 0
    measured = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["K"] for row in measured["flow"]] == [2]
    assert [row["K"] for row in measured["step"]] == [0, 2]
    for row in measured["step"]:
        assert 0 < row["products"] < row["limit"] < row["nfvae"]
        assert row["limit"] == pytest.approx(row["products"] + row["adam"])
    # 6 flops per weight and image, but 4 for the first layer: nobody needs the images' gradient.
    weights = 784 * 400 + 400 * 400 + 400 * 80 + 40 * 400 + 400 * 400 + 400 * 784
    assert measured["step"][0]["gflop"] == pytest.approx(8 * (6 * weights - 2 * 784 * 400) / 1e9)
    table = capsys.readouterr().out
    assert f"{measured['flow'][0]['bmm loop']:.2f}" in table
