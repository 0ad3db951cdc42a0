"""Files of a run folder from someone else: links, pipes, huge or expanding content."""

import os
import socket
import subprocess
import sys

import pytest

from nfvae.experiments.errors import RunFolderError, fail, one_line
from nfvae.experiments.monitoring.event_file import LAST, EventFile
from nfvae.experiments.storage.atomic import remove_temporary_files, write_atomically
from nfvae.experiments.storage.config_file import read_config_file
from nfvae.experiments.storage.failure import read_failure
from nfvae.experiments.storage.history import latest, read_history
from nfvae.experiments.storage.json_file import read_results_json
from nfvae.experiments.storage.regular_file import append_regular, read_regular
from nfvae.experiments.storage.run_folder import RunFolder

BILLION_LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.fixture(params=["link", "pipe", "folder", "socket"])
def not_a_file(request, tmp_path):
    path = tmp_path / "config.yaml"
    if request.param == "link":
        (tmp_path / "target").write_text('{"secret": 1, "step": 1}')
        path.symlink_to(tmp_path / "target")
    elif request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    return path


def test_only_regular_files_are_read(not_a_file, capsys):
    for read in (read_config_file, read_results_json):
        with pytest.raises(RunFolderError, match=r"config\.yaml cannot be read: ") as caught:
            read(not_a_file)
        assert "\n" not in str(caught.value)
    assert read_history(not_a_file) == {}
    assert capsys.readouterr().err.startswith(f"note: {not_a_file} cannot be read: ")
    with pytest.raises(OSError, match=r"it is|No such device"):
        list(latest(not_a_file))
    with pytest.raises(OSError, match=r"it is|No such device|Is a directory"):
        append_regular(not_a_file)
    failure = not_a_file.rename(not_a_file.with_name("failure.txt"))
    assert read_failure(failure.parent) is None


def test_large_files_are_refused_without_reading_them(tmp_path):
    for name in ("config.yaml", "results.json", "failure.txt", "metrics.jsonl"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**40)  # a sparse file takes no space
    for read, name in ((read_config_file, "config.yaml"), (read_results_json, "results.json")):
        with pytest.raises(RunFolderError, match="larger than"):
            read(tmp_path / name)
    assert read_failure(tmp_path) is None
    assert read_history(tmp_path / "metrics.jsonl") == {}


def test_the_limit_itself_is_allowed(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_regular(tmp_path / "file", 4)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BILLION_LAUGHS, "aliases are not supported"),
        ("a: &a [1]\nb: *a", "aliases are not supported"),
        ("a: " + "[" * 100_000, "nest"),
        ("a: " + "[" * 50 + "]" * 50, "nested levels"),
        ("a: " + "{b: " * 50 + "1" + "}" * 50, "nested levels"),
        ("a: 1\n\x1b[31m: 2", "control characters"),
    ],
)
def test_yaml_that_expands_is_refused(tmp_path, text, problem):
    (tmp_path / "config.yaml").write_text(text)
    code = (
        "import sys; from pathlib import Path\n"
        "from nfvae.experiments.storage.config_file import read_config_file\n"
        "try: read_config_file(Path(sys.argv[1]))\n"
        "except Exception as error: print(error)"
    )
    command = [sys.executable, "-c", code, tmp_path / "config.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert problem in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_planted_link_is_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in (".results.json.tmp", "results.json"):
        (tmp_path / name).symlink_to(victim)
    write_atomically(tmp_path / "results.json", b"new")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "results.json").is_symlink()
    assert (tmp_path / "results.json").read_text() == "new"


def test_the_last_events_are_not_written_through_a_link(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / LAST).symlink_to(victim)
    for _ in range(2):  # a killed run writes them again
        EventFile(tmp_path, first_step=1, last=True).close()
    assert victim.read_text() == "mine"
    assert not (tmp_path / LAST).is_symlink()


def test_new_files_have_the_usual_permissions(tmp_path):
    write_atomically(tmp_path / "ours", b"")
    (tmp_path / "usual").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(
    "name", [".lock", "checkpoints", "metrics.jsonl", "config.yaml", "results.json"]
)
def test_a_run_does_not_start_in_a_folder_with_a_link(small_config, tmp_path, name):
    victim = tmp_path / "victim"
    victim.mkdir() if name == "checkpoints" else victim.write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).symlink_to(victim)
    with (
        pytest.raises(RunFolderError, match=f"{name} is a symbolic link"),
        RunFolder(folder).held(small_config()),
    ):
        pass
    assert victim.is_dir() or victim.read_text() == "mine"


def test_temporary_files_of_killed_processes_are_removed(small_config, tmp_path):
    folder = RunFolder(tmp_path)
    folder.last.parent.mkdir()
    left = [tmp_path / ".results.json.0f.tmp", folder.last.parent / ".last.pt.0f.tmp"]
    kept = tmp_path / ".evaluation_test.json.0f.tmp"  # evaluate.py may be writing it
    for path in (*left, kept):
        path.touch()
    with folder.held(small_config()):
        assert [path.exists() for path in (*left, kept)] == [False, False, True]
    remove_temporary_files(tmp_path / "nowhere")


def test_messages_hold_no_control_characters(tmp_path, capsys):
    fail("in \x1b[2J\n\u202e the file")
    assert capsys.readouterr().err == "error: in \\x1b[2J\\n\\u202e the file\n"
    assert one_line("a\n\x07b") == "a \\x07b"
    (tmp_path / "failure.txt").write_text("stopped\n\x1b]0;title\x07at 3\n")
    assert read_failure(tmp_path) == "stopped \\x1b]0;title\\x07at 3"
