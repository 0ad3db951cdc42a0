"""picture.py on a run."""

from PIL import Image

from nfvae.experiments.commands.picture import picture
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.run_folder import RunFolder


def test_a_picture_of_a_run_goes_to_its_folder(small_config, tmp_path, capsys, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    run_training(small_config(), folder, StopRequest())
    assert picture({"run": str(folder.path), "file": None, "seed": 0}) == 0
    first = Image.open(folder.path / "picture.png").convert("L")
    assert first.getextrema() == (0, 255)
    other = tmp_path / "other.png"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert picture({"run": str(folder.path), "file": "~/other.png", "seed": 1}) == 0
    assert Image.open(other).convert("L").tobytes() != first.tobytes()
    assert f"written to  {other}" in capsys.readouterr().out
