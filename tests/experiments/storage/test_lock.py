"""One process at a time, on file systems with and without locks."""

import errno
import fcntl
import os
import threading
import time

import pytest

from nfvae.experiments.errors import FolderInUseError
from nfvae.experiments.storage import lock
from nfvae.experiments.storage.lock import is_locked, lock_holder, locked


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    times = {"PATIENCE": 0.3, "POLL": 0.02, "BEAT": 0.05, "SILENCE": 0.3, "SETTLE": 0.05}
    for name, seconds in times.items():
        monkeypatch.setattr(lock, name, seconds)


@pytest.fixture
def no_locks(monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def hold(path):
    """Take the lock of another open file, as another process would."""
    file = path.open("a+")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def test_a_second_process_gets_the_folder_when_the_first_ends(tmp_path, capsys):
    first = hold(tmp_path / ".lock")
    threading.Timer(0.1, first.close).start()
    with locked(tmp_path):
        assert lock_holder(tmp_path).startswith(f"{os.getpid()} on ")
    assert "is in use by process unknown; waiting" in capsys.readouterr().err


def test_a_second_process_gives_up(tmp_path):
    with (
        hold(tmp_path / ".lock"),
        pytest.raises(FolderInUseError, match="in use by process"),
        locked(tmp_path),
    ):
        pass


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_live_claim_is_respected(tmp_path):
    with locked(tmp_path):
        time.sleep(0.4)  # longer than a silence: the claim is renewed
        assert is_locked(tmp_path)
        with (
            pytest.raises(FolderInUseError, match=f"in use by process {os.getpid()} on "),
            locked(tmp_path),
        ):
            pass
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    assert not (tmp_path / ".claim").exists()


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("skew", [-7200, 7200])
def test_without_locks_the_claim_of_a_killed_process_is_taken_over(tmp_path, skew):
    """Also if the clock of its machine is hours off."""
    claim = tmp_path / ".claim"
    claim.write_text("abc 123 on elsewhere\n")
    os.utime(claim, (time.time() + skew,) * 2)
    with locked(tmp_path):
        assert "123 on elsewhere" not in claim.read_text()
    assert not claim.exists()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_one_of_two_claims_at_the_same_moment_wins(tmp_path):
    won, lost, both = [], [], threading.Barrier(2)

    def claim(name):
        both.wait()
        try:
            with locked(tmp_path):
                won.append(name)
                time.sleep(0.3)
        except FolderInUseError:
            lost.append(name)

    threads = [threading.Thread(target=claim, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 1)


@pytest.mark.usefixtures("no_locks")
def test_a_claim_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "other").write_text("precious")
    (tmp_path / ".claim").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic"), locked(tmp_path):
        pass
    assert (tmp_path / "other").read_text() == "precious"
