"""Tables of made-up numbers, compared with their exact text."""

import csv
import io
import re

import pytest

from nfvae.experiments.tables.cells import make_cells
from nfvae.experiments.tables.collect import collect
from nfvae.experiments.tables.latex import latex
from nfvae.experiments.tables.layout import make_tables
from nfvae.experiments.tables.markdown import markdown
from nfvae.experiments.tables.published import Published
from nfvae.experiments.tables.spreadsheet import csv_text

PAPER = Published(
    key="paper_1999",
    label="A & B 1999",
    data="mnist",
    binarization="fixed",
    latent_dim=40,
    min_updates=50_000,
    protocol="A & B, S = 7",
    values={("none", 0): {"neg_elbo": "96.50", "nll": "90.0"}, ("nice", 10): {"neg_elbo": "95.00"}},
    others={"none, other prior": {"nll": "89.1 ± 0.2"}},
)

MARKDOWN = """\
MNIST, fixed binarization, test split, 40 latents; NLL by importance sampling with S = 5,000. In
nats per image: mean ± sample standard deviation over n training seeds. gap = −ELBO − NLL estimates
KL(q(z|x) ‖ p(z|x)) from below; KL is to the prior.

| flow | K | −ELBO | NLL | gap | KL | active units | n | A & B 1999 −ELBO | A & B 1999 NLL | parameters | updates | minutes |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| none | 0 | 94.00 | 88.25 | 5.75 | 26.00 | 20 | 1 | 96.50 | 90.0 | 1,000 | 50,000 | – |
| sylvester_x | 10 | 91.00 ± 1.41 | 86.00 ± 0.00 | 5.00 ± 1.41 | 26.00 ± 0.00 | 20.5 ± 0.7 | 2 | – | – | 1,000 | 40,000–50,000 | 15.5 |
| none, other prior | – | – | – | – | – | – | – | – | 89.1 ± 0.2 | – | – | – |

Protocol ours: `optim=adam optim.lr=0.001 model.hidden=[400] model.activation=silu
eval.checkpoint=best`, `flow=sylvester_x flow.M=16`.

Trained on: not recorded (1 run); cpu, 2 threads, float32, compiled (2 runs).

A & B 1999: A & B, S = 7. Like for like: the same bits, training images and number of latents.
"""  # noqa: E501

LATEX = r"""
\begin{tabular}{lrrrrrrrrrrrr}
\toprule
\multicolumn{8}{c}{} & \multicolumn{2}{c}{A \& B 1999} & \multicolumn{3}{c}{} \\
\cmidrule(lr){9-10}
flow & K & $-$ELBO & NLL & gap & KL & active units & n & $-$ELBO & NLL & parameters & updates & minutes \\
\midrule
none & 0 & 94.00 & 88.25 & 5.75 & 26.00 & 20 & 1 & 96.50 & 90.0 & 1,000 & 50,000 & -- \\
sylvester\_x & 10 & 91.00 $\pm$ 1.41 & 86.00 $\pm$ 0.00 & 5.00 $\pm$ 1.41 & 26.00 $\pm$ 0.00 & 20.5 $\pm$ 0.7 & 2 & -- & -- & 1,000 & 40,000--50,000 & 15.5 \\
none, other prior & -- & -- & -- & -- & -- & -- & -- & -- & 89.1 $\pm$ 0.2 & -- & -- & -- \\
\bottomrule
\end{tabular}
"""  # noqa: E501


@pytest.fixture
def cells(write_run, tmp_path):
    write_run("n", config={}, flow="none", K=0, neg_elbo=94.0, nll=88.25)
    sylvester = {"flow": "sylvester_x", "config": {"flow": {"M": 16}}, "train_seconds": 930.0}
    sylvester |= {"device": "cpu", "num_threads": 2, "precision": "float32", "compile": True}
    write_run("a", **sylvester, seed=0, neg_elbo=90.0)
    write_run("b", **sylvester, seed=4, neg_elbo=92.0, active_units=21, steps=40000)
    return make_cells(collect([tmp_path]).runs)


def test_markdown(cells):
    assert markdown(make_tables(cells, [PAPER])) == MARKDOWN


def test_latex(cells):
    text = latex(make_tables(cells, [PAPER]))
    assert LATEX in text
    assert r"\caption{MNIST, fixed binarization, test split, 40 latents; NLL" in text
    assert r"KL(q(z$|$x) $\Vert$ p(z$|$x))" in text
    assert r"\texttt{flow=sylvester\_x flow.M=16}." in text
    assert r"A \& B 1999: A \& B, S = 7." in text
    assert text.isascii()
    assert text.count("{") == text.count("}")


def test_csv_has_every_digit(cells):
    none, sylvester = csv.DictReader(io.StringIO(csv_text(cells, [PAPER])))
    assert (
        none
        | {
            "flow": "none",
            "seeds": "0",
            "neg_elbo_mean": "94.0",
            "neg_elbo_std": "",
            "paper_1999_neg_elbo": "96.5",
            "paper_1999_nll": "90.0",
        }
        == none
    )
    assert float(sylvester["neg_elbo_std"]) == 2**0.5
    assert (
        sylvester
        | {
            "data": "mnist",
            "binarization": "fixed",
            "split": "test",
            "latent_dim": "40",
            "num_importance_samples": "5000",
            "protocol": "ours",
            "K": "10",
            "n": "2",
            "seeds": "0 4",
            "gap_mean": "5.0",
            "active_units_mean": "20.5",
            "neg_elbo_se": "0.25",
            "nll_se": "0.125",
            "steps_min": "40000",
            "steps_max": "50000",
            "num_parameters": "1000",
            "train_seconds_mean": "930.0",
            "paper_1999_neg_elbo": "",
        }
        == sylvester
    )


def test_one_table_for_each_set_of_conditions(write_run, tmp_path):
    write_run("a")
    write_run("b", binarization="dynamic", num_importance_samples=500)
    write_run("c", nll=None, nll_se=None, num_importance_samples=0)
    write_run("d", train_on_val=True)
    tables = make_tables(make_cells(collect([tmp_path]).runs), [])
    captions = [table.caption.partition(". ")[0] for table in tables]
    assert captions == [
        "MNIST, dynamic binarization, test split, 40 latents; NLL by importance sampling with "
        "S = 500",
        "MNIST, fixed binarization, test split, 40 latents",
        "MNIST, fixed binarization, test split, 40 latents; NLL by importance sampling with "
        "S = 5,000",
        "MNIST, fixed binarization, trained on the validation images too, test split, 40 latents; "
        "NLL by importance sampling with S = 5,000",
    ]
    assert [len(table.columns[0].entries) for table in tables] == [1, 1, 1, 1]
    labels = re.findall(r"\\label\{(.*)\}", latex(tables))
    assert labels[1:] == [
        "tab:mnist-fixed-test-D40-S0",
        "tab:mnist-fixed-test-D40-S5000",
        "tab:mnist-fixed-train-on-val-test-D40-S5000",
    ]
    assert "NLL" not in [column.head for column in tables[1].columns if not column.source]


def test_protocols_have_a_column_where_there_are_several(write_run, tmp_path):
    write_run("a", protocol="ours")
    write_run("b", protocol="paper")
    write_run("c", protocol=None)
    (table,) = make_tables(make_cells(collect([tmp_path]).runs))
    assert table.columns[0].entries == ("–", "ours", "paper")
    assert [note.partition(":")[0] for note in table.notes[:3]] == [
        "Settings",
        "Protocol ours",
        "Protocol paper",
    ]


def test_notes_list_all_values_and_name_unknown_settings(write_run, tmp_path):
    write_run("a", config={"optim": {"lr": 0.002}})
    write_run("b", config={}, K=20)
    runs = collect([tmp_path]).runs
    assert "optim.lr=0.001,0.002 " in make_tables(make_cells(runs))[0].notes[0]
    write_run("d", config={"optim": {"decoder_lr": None}, "data": {"train_on_val": False}}, K=30)
    note = make_tables(make_cells(collect([tmp_path]).runs))[0].notes[0]
    assert "decoder_lr" not in note
    assert "train_on_val" not in note
    write_run("e", config={"optim": {"decoder_lr": 0.01}}, K=35)
    note = make_tables(make_cells(collect([tmp_path]).runs))[0].notes[0]
    assert "optim.decoder_lr=0.01,null " in note
    write_run("c", K=40)
    runs = collect([tmp_path]).runs
    assert make_tables(make_cells(runs))[0].notes[0].startswith("Protocol ours: unknown, since")


@pytest.mark.parametrize(
    "other",
    [
        {"latent_dim": 20},
        {"data": "omniglot"},
        {"binarization": "none"},
        {"split": "val"},
        {"steps": 2000},
        {"likelihood": "normal"},
        {"model": "gated_conv"},
        {"prior": "gaussian_mixture"},
    ],
)
def test_published_values_are_shown_only_where_they_compare(write_run, tmp_path, other):
    write_run("a", flow="none", K=0, **other)
    (table,) = make_tables(make_cells(collect([tmp_path]).runs))
    assert {column.source for column in table.columns} == {""}
    assert "rezende" not in csv_text(make_cells(collect([tmp_path]).runs)).splitlines()[1]


def test_what_is_not_like_for_like_is_marked(write_run, tmp_path):
    for binarization in ("fixed", "static", "dynamic"):
        write_run(f"{binarization}", flow="none", K=0, binarization=binarization)
        write_run(
            f"{binarization}v", flow="none", K=0, binarization=binarization, train_on_val=True
        )
    tables = make_tables(make_cells(collect([tmp_path]).runs))
    sources = {
        table.caption.partition(", test split")[0].removeprefix("MNIST, "): sorted(
            {column.source for column in table.columns} - {""}
        )
        for table in tables
    }
    also = ", trained on the validation images too"
    assert sources == {
        "dynamic binarization": ["Norouzi 2020"],
        f"dynamic binarization{also}": ["Norouzi 2020†"],
        "fixed binarization": ["R&M 2015†"],
        f"fixed binarization{also}": ["R&M 2015†"],
        "static binarization": ["R&M 2015", "reproduction"],
        f"static binarization{also}": ["R&M 2015†", "reproduction†"],
    }
    notes = [table.notes[-1].partition("±0.03. ")[2] for table in tables]
    assert "† Not like for like: fixed bits here, static bits there." in notes
    assert (
        "† Not like for like: fixed bits here, static bits there; trained on the validation images "
        "here, not there." in notes
    )
    (dynamic, *_) = tables
    assert [column.entries for column in dynamic.columns if column.source] == [
        ("84.45 ± 0.12", "82.43 ± 0.06", "82.09 ± 0.18")
    ]
    assert dynamic.columns[0].entries == ("none", "none, VampPrior", "none, exemplar prior")


def test_published_models_stand_below_flows_alone(write_run, tmp_path):
    write_run("a", binarization="dynamic")
    (table,) = make_tables(make_cells(collect([tmp_path]).runs))
    (column,) = [column for column in table.columns if column.source]
    assert column.entries == ("–", "82.43 ± 0.06", "82.09 ± 0.18")


def test_levels_have_bits_per_dimension(write_run, tmp_path):
    levels = {"data": "frey_faces", "binarization": "none", "likelihood": "categorical"}
    bits = {"neg_elbo_bits_per_dim": 4.5678, "bits_per_dim": 4.4}
    write_run("a", {}, **levels, **bits)
    write_run("b", {}, **levels, **(bits | {"bits_per_dim": 4.5}), seed=1)
    write_run("bits")
    with_bits, without = make_tables(make_cells(collect([tmp_path]).runs))
    shown = {column.head: column.entries for column in with_bits.columns}
    assert shown["−ELBO, bits/dim"] == ("4.568 ± 0.000",)
    assert shown["NLL, bits/dim"] == ("4.450 ± 0.071",)
    assert "bits/dim = nats / (C·H·W·log 2)." in with_bits.caption
    assert "bits" not in without.caption + "".join(column.head for column in without.columns)
    assert latex([with_bits]).isascii()


def test_a_run_with_another_objective_is_told(write_run, tmp_path):
    write_run("a", {}, seed=0)
    write_run("b", {"objective": {"beta": 0.5, "free_bits": 0.0}}, beta=0.5, free_bits=0.0, K=20)
    write_run("c", beta=1.0, free_bits=0.1, K=30)
    (table,) = make_tables(make_cells(collect([tmp_path]).runs), [])
    assert table.columns[2].entries == (
        "–",
        "objective.beta=0.5",
        "objective.free_bits=0.1",
    )
    (note,) = [note for note in table.notes if note.startswith("Not trained on the ELBO")]
    assert "planar K=20 with `objective.beta=0.5 objective.free_bits=0`" in note
    assert "planar K=30 with `objective.beta=1 objective.free_bits=0.1`" in note
    assert "K=10" not in note


HOSTILE = "a`\\input{/etc/passwd}|b\n# c\x1b[31m$&%^~"


def test_settings_reach_no_table_unescaped(write_run, tmp_path):
    write_run("a", config={"optim": {"name": HOSTILE}, "flow": {HOSTILE: 1}})
    write_run("b", config={"optim": {"name": "adam"}}, seed=1)
    tables = make_tables(make_cells(collect([tmp_path]).runs), [])
    source = latex(tables)
    assert r"\input" not in source
    assert r"\textbackslash{}input\{/etc/passwd\}" in source
    assert not re.search(r"(?<!\\)[#%&^~](?!\\|[ a-z0-9$-])", source.partition("\n")[2])
    text = markdown(tables)
    rows = [line for line in text.splitlines() if line.startswith("| planar")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {12}
    assert "`" not in rows[0].replace("\\`", "")
    notes = text.partition("Protocol ours")[2]
    assert notes.count("`") == 4
    for rendered in (source, text):
        assert "\x1b" not in rendered
        assert not re.search("^# c", rendered, re.MULTILINE)


def test_variants_have_a_column(write_run, tmp_path):
    write_run("a", config={})
    write_run("b", config={"optim": {"lr": 0.002}})
    cells = make_cells(collect([tmp_path]).runs)
    (table,) = make_tables(cells, [])
    assert [column.head for column in table.columns[:3]] == ["flow", "K", "variant"]
    assert table.columns[2].entries == ("optim.lr=0.001", "optim.lr=0.002")
    rows = list(csv.DictReader(io.StringIO(csv_text(cells, []))))
    assert [row["variant"] for row in rows] == ["optim.lr=0.001", "optim.lr=0.002"]
