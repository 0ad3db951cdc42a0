import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nfvae.errors import NfvaeError
from nfvae.experiments.commands.report import report
from nfvae.experiments.commands.table import table
from nfvae.experiments.errors import ResultsError

SCRIPT = Path(__file__).parents[3] / "scripts" / "table.py"
STEM = "figure_mnist_fixed_test_D40_S5000"


@pytest.fixture
def runs(write_run, write_unfinished, tmp_path):
    for flow, K in (("none", 0), ("planar", 10), ("planar", 20), ("nice", 10)):
        for seed in (0, 1):
            write_run(f"runs/{flow}{K}s{seed}", {}, flow=flow, K=K, seed=seed, neg_elbo=90 + seed)
    (tmp_path / "runs/planar20s1/results.json").unlink()
    (tmp_path / "runs/planar20s1/metrics.jsonl").write_text('{"step": 700}\n')
    return tmp_path / "runs"


def test_writes_the_same_bytes_in_any_order_and_process(runs, tmp_path, capsys):
    table([str(runs), "--out", str(tmp_path / "first")])
    output = capsys.readouterr().out
    folders = sorted(map(str, runs.iterdir()), reverse=True)
    again = subprocess.run(
        [sys.executable, SCRIPT, *folders, "--out", tmp_path / "second"],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[1]), "PYTHONHASHSEED": "7"},
    )
    assert again.stdout == output
    names = {"table.md", "table.tex", "table.csv", f"{STEM}.png", f"{STEM}.pdf"}
    assert {file.name for file in (tmp_path / "first").iterdir()} == names
    for name in names:
        first, second = (tmp_path / at / name for at in ("first", "second"))
        assert first.read_bytes() == second.read_bytes(), name
    assert (tmp_path / "first/table.md").read_text() == output
    assert output.startswith("MNIST, fixed binarization")


def test_reports_what_is_unfinished_and_missing(runs, capsys):
    assert table([str(runs)]) == 0
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        f"unfinished  {runs}/planar20s1: at step 700 of 50000 steps: running, or interrupted",
        "missing     every seed of flow=nice K=20 "
        "(mnist, fixed, test, D=40, S=5000, protocol=ours)",
    ]
    assert "unfinished" not in output.out
    (runs / "planar20s1" / "failure.txt").write_text("loss was not finite\n")
    assert table([str(runs)]) == 0
    assert "failed      " in (told := capsys.readouterr().err)
    assert "at step 700 of 50000 steps: loss was not finite" in told


def test_a_missing_seed_is_printed_as_overrides(runs, capsys):
    for name in ("planar20s1", "planar10s0"):
        for file in (runs / name).iterdir():
            file.unlink()
    table([str(runs)])
    output = capsys.readouterr().err
    assert "missing     flow=planar K=10 seed=0 (mnist" in output
    assert "missing     flow=planar K=20 seed=1 (mnist" in output


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ([], "error: the following arguments are required: folder; see --help\n"),
        (["--oot", "x", "y"], "error: unrecognized arguments: --oot; see --help\n"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, output, capsys):
    with pytest.raises(SystemExit, match="2"):
        table(arguments)
    assert capsys.readouterr().err == output


def test_a_folder_that_is_not_there():
    with pytest.raises(
        ResultsError, match=r"^nowhere is not a folder; name folders that hold runs$"
    ):
        table(["nowhere"])


@pytest.mark.parametrize("arguments", [[""], [".", "--out", ""]])
def test_an_empty_path_is_not_the_current_folder(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        table(arguments)
    assert "must not be empty" in capsys.readouterr().err


def test_an_error_of_the_script_is_one_line():
    ended = subprocess.run(
        [sys.executable, SCRIPT, "x" * 300],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[1])},
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: cannot use xxx")
    assert ended.stderr.count("\n") == 1


def test_a_closed_pipe_does_not_prevent_the_files(runs, tmp_path):
    words = [sys.executable, str(SCRIPT), str(runs), "--out", str(tmp_path / "out")]
    command = f"{shlex.join(words)} | true"
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[1])}
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, env=environment
    )
    assert b"Traceback" not in ended.stderr
    assert (tmp_path / "out" / "table.md").exists()


def test_nothing_complete(tmp_path, write_unfinished, capsys):
    write_unfinished("cut")
    with pytest.raises(ResultsError, match=r"no complete run below .* ends with results\.json"):
        table([str(tmp_path)])
    output = capsys.readouterr().err
    reason = "at step 0 of 50000 steps: running, or interrupted"
    assert output == f"unfinished  {tmp_path}/cut: {reason}\n"


def test_a_damaged_run_writes_nothing(runs, tmp_path, capsys):
    (runs / "nice10s0/results.json").write_text("{")
    with pytest.raises(NfvaeError, match=r"nice10s0/results\.json"):
        table([str(runs), "--out", str(tmp_path / "out")])
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_refused(runs, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(NfvaeError, match=r"^--out"):
        table([str(runs), "--out", str(tmp_path / "file")])
    assert capsys.readouterr().out == ""


def test_help_and_tables_need_no_torch():
    code = (
        "import sys; from nfvae.experiments.commands import table; "
        "sys.exit(bool({'torch', 'matplotlib', 'hydra'} & sys.modules.keys()))"
    )
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[1])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


REFERENCE = SCRIPT.parents[1] / "outputs" / "reference"


def test_a_new_run_is_compared_with_the_reference_runs(tmp_path, capsys):
    """As in a fresh clone: outputs/reference holds runs of one model with several settings."""
    shutil.copytree(REFERENCE, tmp_path / "outputs" / "reference")
    own = tmp_path / "outputs" / "planar_K16_seed0"
    shutil.copytree(REFERENCE / "planar_K16_seed0", own)
    results = json.loads((own / "results.json").read_text())
    (own / "results.json").write_text(json.dumps(results | {"neg_elbo": 80.0}))
    assert table([str(tmp_path / "outputs")]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| planar |")]
    assert any(line.startswith("| planar | 16 | outputs | 80.00 ") for line in rows)
    assert any(line.startswith("| planar | 16 | outputs/reference | 88.93 ") for line in rows)
    assert sum("trainer.max_steps=100000 |" in line for line in rows) >= 4
    assert report([str(tmp_path / "outputs")]) == 0


def test_folders_can_be_given_as_for_evaluate(runs, capsys, monkeypatch):
    table([str(runs)])
    expected = capsys.readouterr().out
    monkeypatch.setenv("HOME", str(runs.parent))
    for argument in (f"run={runs}", "~/runs", "run=~/runs", f"run='{runs}'"):
        assert table([argument]) == 0
        assert capsys.readouterr().out == expected


def test_out_is_expanded_too(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert table([str(runs), "--out", "~/tables"]) == 0
    assert (tmp_path / "tables" / "table.md").exists()


def test_published_values_can_be_left_out(runs, tmp_path, capsys):
    table([str(runs), "--out", str(tmp_path / "out"), "--no-published"])
    assert "R&M" not in capsys.readouterr().out
    assert "rezende" not in (tmp_path / "out" / "table.csv").read_text()
    assert b"R&M" not in (tmp_path / "out" / "table.tex").read_bytes().replace(b"\\", b"")


def test_names_of_folders_are_printed_without_control_characters(tmp_path, capsys, write_run):
    folder = write_run("runs/x\n\x1b[31m", {})
    (folder / "results.json").unlink()
    write_run("runs/done", {}, seed=1)
    table([str(tmp_path / "runs")])
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "unfinished" in x]
    assert "x\\n\\x1b[31m: at step 0" in line
