import json
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from nfvae.experiments.commands.benchmark import benchmark

CONF = Path(__file__).parents[3] / "conf"


def test_one_run_makes_the_table_and_the_json(tmp_path, capsys):
    small = ["parts=[flow,step]", "K=[0,2]", "batch_size=[8]", "repeats=1", "peers=false"]
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = compose("benchmark", overrides=[*small, f"folder={tmp_path}"])
    assert benchmark(OmegaConf.to_container(composed)) == 0
    measured = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["K"] for row in measured["flow"]] == [2]
    assert [row["K"] for row in measured["step"]] == [0, 2]
    for row in measured["step"]:
        assert 0 < row["matrix products"] < row["nfvae"]
    table = capsys.readouterr().out
    assert f"{measured['flow'][0]['bmm loop']:.2f}" in table
