import pytest

from nfvae.errors import NfvaeError
from nfvae.experiments.commands.report import report


def test_writes_where_it_is_told(sweep, tmp_path, capsys):
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
