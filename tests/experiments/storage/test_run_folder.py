import os
import subprocess
import sys

import pytest

from nfvae.experiments.errors import RunFolderError
from nfvae.experiments.storage.run_folder import RunFolder


def test_held_by_another_process_is_refused(small_config, tmp_path, monkeypatch):
    monkeypatch.setattr("nfvae.experiments.storage.lock.PATIENCE", 0)
    hold = (
        "import fcntl, os, sys; f = open(sys.argv[1], 'a+');"
        "fcntl.flock(f, fcntl.LOCK_EX); f.truncate(0); print(os.getpid(), file=f, flush=True);"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path / ".lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        holder.stdout.readline()
        with (
            pytest.raises(RunFolderError, match=f"in use by process {holder.pid}"),
            RunFolder(tmp_path).held(small_config()),
        ):
            pass
        holder.kill()
    with RunFolder(tmp_path).held(small_config()):  # a dead process holds nothing
        assert (tmp_path / ".lock").read_text().startswith(f"{os.getpid()} on ")


def test_another_configuration_is_refused_and_named(small_config, tmp_path):
    with RunFolder(tmp_path).held(small_config()):
        pass
    with (
        pytest.raises(RunFolderError, match=r"model\.latent_dim was 3, is now 5"),
        RunFolder(tmp_path).held(small_config("model.latent_dim=5")),
    ):
        pass
    with RunFolder(tmp_path).held(small_config("device=cpu", "trainer.num_threads=2")):
        pass


@pytest.mark.parametrize("content", ["[1, 2", "- a list", ""])
def test_damaged_config(small_config, tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with (
        pytest.raises(RunFolderError, match=r"config\.yaml"),
        RunFolder(tmp_path).held(small_config()),
    ):
        pass


@pytest.mark.parametrize("content", ['{"neg_elbo": 9', "[]", "{}", ""])
def test_damaged_results(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"results\.json"):
        RunFolder(tmp_path).read_results()


def test_a_file_in_the_way(small_config, tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunFolderError, match=r"choose another run\.dir"),
        RunFolder(tmp_path / "file" / "run").held(small_config()),
    ):
        pass


def test_a_run_of_the_first_version_is_refused(small_config, tmp_path):
    (tmp_path / "config.yaml").write_text("K: 2\nflow: {name: planar}\n")
    refusal = r"^[^\n]*holds a run of nfvae 0\.1, [^\n]*; to train, use another run\.dir$"
    with pytest.raises(RunFolderError, match=refusal), RunFolder(tmp_path).held(small_config()):
        pass
    with pytest.raises(RunFolderError, match=refusal):
        RunFolder(tmp_path).parse_config()
