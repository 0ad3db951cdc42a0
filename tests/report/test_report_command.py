import pytest

from nfvae.commands.report import report


def test_writes_where_it_is_told(sweep, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert report([str(sweep / "none_0_0"), str(sweep / "none_0_1"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"written to  {out}\n"
    assert out.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/nothing"], "nothing is not a folder"),
        (["{}", "--out", "{}"], "cannot be written; give a file in a folder that exists"),
        (["{}", "--out", "{}/no/page.html"], "cannot be written"),
        (["{}/none_0_0", "{}/none_0_1"], "give --out FILE"),
        (["{}/empty"], "no run below"),
    ],
)
def test_bad_input_is_one_line(sweep, capsys, arguments, message):
    (sweep / "empty").mkdir()
    before = sorted(sweep.rglob("*"))
    assert report([argument.format(sweep) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert sorted(sweep.rglob("*")) == before


def test_damaged_results_leave_the_old_page(sweep, capsys):
    (sweep / "report.html").write_text("old")
    (sweep / "none_0_0" / "results.json").write_text('{"neg_elbo": "x"')
    assert report([str(sweep)]) == 1
    assert "results.json cannot be read" in capsys.readouterr().err
    assert (sweep / "report.html").read_text() == "old"
