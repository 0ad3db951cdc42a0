"""Tables in LaTeX, in the style of booktabs."""

import re
from collections.abc import Iterable
from itertools import groupby

from nfvae.experiments.tables.layout import Table

ESCAPES = str.maketrans(
    {
        "−": "$-$",
        "†": r"$\dagger$",
        "·": r"$\cdot$",
        "±": r"$\pm$",
        "–": "--",
        "‖": r"$\Vert$",
        "…": r"\dots{}",
        "|": "$|$",
        "<": "$<$",
        ">": "$>$",
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "_&%$#{}"},
    }
)


def latex(tables: Iterable[Table]) -> str:
    r"""Tables to \input in a document that loads booktabs and adjustbox (for wide tables)."""
    head = "% needs \\usepackage{booktabs,adjustbox} in the preamble\n"
    return head + "\n".join(_one_table(table) for table in tables)


def _one_table(table: Table) -> str:
    columns = table.columns
    layout = "".join("l" if column.is_text else "r" for column in columns)
    label = "-".join(table.conditions.parts("")).replace("_", "-")
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{_text(table.caption)}}}",
        rf"\label{{tab:{label}}}",
        r"\begin{adjustbox}{max width=\linewidth}",
        rf"\begin{{tabular}}{{{layout}}}",
        r"\toprule",
        *_sources(table),
        _row(column.head for column in columns),
        r"\midrule",
        *map(_row, zip(*(column.entries for column in columns), strict=True)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{adjustbox}",
        r"\raggedright",
        *(rf"\par\smallskip {_text(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _sources(table: Table) -> list[str]:
    """Names of the sources above their columns, each with a rule; empty without sources."""
    heads, rules, start = [], [], 1
    for source, group in groupby(table.columns, key=lambda column: column.source):
        width = len(list(group))
        heads.append(rf"\multicolumn{{{width}}}{{c}}{{{_text(source)}}}")
        if source:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [" & ".join(heads) + r" \\", " ".join(rules)] if rules else []


def _row(entries: Iterable[str]) -> str:
    return " & ".join(map(_text, entries)) + r" \\"


def _text(text: str) -> str:
    return re.sub(r"`(.*?)`", r"\\texttt{\1}", text.translate(ESCAPES))
