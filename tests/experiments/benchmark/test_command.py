import json
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from nfvae.experiments.commands.benchmark import benchmark
from nfvae.experiments.errors import ConfigError

CONF = Path(__file__).parents[3] / "conf"


def run(*overrides):
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = compose("benchmark", overrides=list(overrides))
    return benchmark(OmegaConf.to_container(composed))


def test_one_run_makes_the_table_and_the_json(tmp_path, capsys):
    small = ["parts=[flow,step]", "K=[0,2]", "batch_size=[8]", "repeats=1"]
    small += ["compiled=false", "peers=false"]
    assert run(*small, f"folder={tmp_path}") == 0
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


def test_the_part_for_a_gpu_can_be_rehearsed(tmp_path, capsys):
    small = ["parts=[gpu]", "K=[0,2]", "batch_size=[8]", "peers=false", "device=cpu"]
    assert run(*small, f"folder={tmp_path}") == 0
    rows = json.loads((tmp_path / "benchmark.json").read_text())["gpu"]
    assert [row["K"] for row in rows] == [0, 2]
    for row in rows:
        assert row["eager"] > 0
        assert row["s for a run"] == pytest.approx(40_000 / row["graph"])
    assert "a rehearsal without meaning" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_the_part_for_a_gpu_needs_one(tmp_path, device):
    with pytest.raises(ConfigError, match=rf"^device={device}, but PyTorch sees no CUDA device; "):
        run("parts=[gpu]", f"device={device}", f"folder={tmp_path / 'new'}")
    assert not (tmp_path / "new").exists()
