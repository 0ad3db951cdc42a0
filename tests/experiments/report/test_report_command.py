import pytest

from nfvae.errors import NfvaeError
from nfvae.experiments.commands.report import report
from nfvae.experiments.report.run_texts import folders_title


def test_writes_to_out(sweep, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert report([str(sweep / "none_0_0"), str(sweep / "none_0_1"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"written to  {out}\n"
    assert out.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/nothing"], "nothing is not a folder"),
        (["{}", "--out", "{}"], "cannot be written; give a file whose name ends in .html"),
        (["{}", "--out", "{}/none_0_0/results.json"], "give a file whose name ends in .html"),
        (["{}", "--out", "{}/no/page.html"], "no is not a folder; make it, or choose another"),
        (["{}/none_0_0", "{}/none_0_1"], "give --out FILE"),
        (["{}/empty"], "no run below"),
    ],
)
def test_bad_input_is_one_line(sweep, arguments, message):
    (sweep / "empty").mkdir()
    before = sorted(sweep.rglob("*"))
    with pytest.raises(NfvaeError) as error:
        report([argument.format(sweep) for argument in arguments])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(sweep.rglob("*")) == before


def test_damaged_results_leave_the_old_page(sweep):
    (sweep / "report.html").write_text("old")
    (sweep / "none_0_0" / "results.json").write_text('{"neg_elbo": "x"')
    with pytest.raises(NfvaeError, match=r"results\.json cannot be read"):
        report([str(sweep)])
    assert (sweep / "report.html").read_text() == "old"


def test_a_stale_evaluation_is_left_out_with_a_warning(sweep, capsys):
    file = sweep / "none_0_0" / "evaluation_test.json"
    file.write_text("{")
    assert report([str(sweep)]) == 0
    assert capsys.readouterr().err.startswith(f"left out    {file} cannot be read")
    assert "left out" in (sweep / "report.html").read_text()


def test_published_values_can_be_left_out(sweep):
    report([f"run={sweep}", "--no-published"])
    assert "R&amp;M 2015" not in (sweep / "report.html").read_text()


def test_links_are_not_followed(sweep, tmp_path):
    """Neither to write the page nor to read what it shows."""
    victim = tmp_path / "victim"
    victim.write_text("secret")
    for name in (".report.html.tmp", "report.html"):
        (sweep / name).symlink_to(victim)
    failure = sweep / "planar_10_1" / "failure.txt"
    failure.unlink()
    failure.symlink_to(victim)
    assert report([str(sweep)]) == 0
    assert victim.read_text() == "secret"
    assert not (sweep / "report.html").is_symlink()
    assert "secret" not in (sweep / "report.html").read_text()


def test_a_title_names_few_folders(tmp_path):
    folders = [tmp_path / name for name in "abcd"]
    assert folders_title(folders[:2]) == "a, b"
    assert folders_title(folders) == "4 folders"
