import errno
import os
import pickle
import zipfile

import pytest
import torch

from nfvae.experiments.errors import CheckpointError, RunFolderError
from nfvae.experiments.storage.atomic import write_atomically
from nfvae.experiments.storage.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"model": {"w": torch.arange(5000.0)}, "step": 7, "best": 1.5})
    return path


def test_round_trip_is_exact(saved):
    content = load_checkpoint(saved)
    assert torch.equal(content["model"]["w"], torch.arange(5000.0))
    assert content["step"] == 7
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(saved)


def test_a_flipped_bit_in_the_weights_is_found(saved):
    content = bytearray(saved.read_bytes())
    position = content.find(torch.arange(1000.0, 1010.0).numpy().tobytes())
    assert position > 0
    content[position] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(saved)


class Hostile:
    def __reduce__(self):
        return (print, ("code ran",))


def test_code_is_not_run(tmp_path, capsys):
    path = tmp_path / "hostile.pt"
    torch.save({"format": 2, "model": Hostile()}, path)
    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(path)
    assert "code ran" not in capsys.readouterr().out


def test_foreign_format(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="format 2"):
        load_checkpoint(tmp_path / "foreign.pt")
    torch.save({"format": 99}, tmp_path / "newer.pt")
    with pytest.raises(CheckpointError, match="found: 99"):
        load_checkpoint(tmp_path / "newer.pt")


def test_a_checkpoint_of_0_1_is_refused_in_one_line(tmp_path):
    torch.save({"format": 1, "model": {}}, tmp_path / "old.pt")
    with pytest.raises(CheckpointError, match=r"of nfvae 0\.1: use that version, or train again$"):
        load_checkpoint(tmp_path / "old.pt")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_an_unreadable_checkpoint_is_not_called_damaged(saved, monkeypatch, number):
    def broken(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("nfvae.experiments.storage.checkpoint.read_regular", broken)
    with pytest.raises(RunFolderError) as caught:  # no CheckpointError, whose remedy is to delete
        load_checkpoint(saved)
    message = str(caught.value)
    assert f"cannot be read: {os.strerror(number)}" in message
    assert "damaged" not in message
    assert "delete" not in message


def test_what_memory_cannot_hold_is_refused_without_reading_it(saved, monkeypatch):
    checkpoint = "nfvae.experiments.storage.checkpoint"
    monkeypatch.setattr(f"{checkpoint}.available_memory", lambda device: 10**9)
    load_checkpoint(saved)
    os.truncate(saved, 6 * 10**8)  # a sparse file takes no space
    with pytest.raises(RunFolderError, match="has 600,000,000 bytes and is larger than 500,000,"):
        load_checkpoint(saved)


def test_a_link_is_not_read(saved):
    (saved.parent / "link.pt").symlink_to(saved)
    with pytest.raises(RunFolderError, match="symbolic link"):
        load_checkpoint(saved.parent / "link.pt")


def test_nested_lists_are_refused_at_once(tmp_path):
    content = [0]
    for _ in range(40):
        content = [content] * 10
    torch.save({"format": 2, "config": content}, tmp_path / "nested.pt")
    with pytest.raises(CheckpointError, match="more than 100,000 values"):
        load_checkpoint(tmp_path / "nested.pt")


def test_compressed_content_is_refused_before_it_expands(saved):
    with zipfile.ZipFile(saved) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, content)
    with pytest.raises(CheckpointError, match="compressed members"):
        load_checkpoint(saved)


def test_missing(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(tmp_path / "none.pt")


def test_a_failed_write_keeps_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nfvae.experiments.storage.atomic.os.fsync", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        write_atomically(saved, b"new")
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
