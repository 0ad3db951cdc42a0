"""Train every data set with every likelihood and every network through the real command.

python tests/experiments/every_combination.py FILES OUT: FILES is a folder with the files of the
data sets (Omniglot's small archives, Frey faces, Caltech's official split, Fashion-MNIST). OUT gets
one folder per run and results.csv, one line per combination: the training loss over the first and
the last 50 of 500 steps, or the line that refuses the combination. Small networks, small batches:
20 minutes on one core. Given again, it skips the runs that are complete.

Exits with 1 if a loss does not fall, if a fitting pair fails, or if a misfit is not refused by one
line that names a likelihood that fits.
"""

import csv
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nfvae.data import omniglot
from nfvae.experiments.command_line.main import run
from nfvae.experiments.interruption import EXIT_STATUS, INTERRUPTED
from nfvae.experiments.storage.history import read_history


class Data(NamedTuple):
    name: str
    binarization: str
    values: str
    options: tuple[str, ...] = ()


SMALL = ("data.source=small",)
# Saves time: 10,000 validation images take longer than the training.
NO_VALIDATION = ("data.train_on_val=true", "eval.checkpoint=last")
DATA = [
    Data("omniglot", "dynamic", "bits", SMALL),
    Data("omniglot", "none", "levels", SMALL),
    Data("frey_faces", "dynamic", "bits"),
    Data("frey_faces", "none", "levels"),
    Data("caltech_silhouettes", "static", "bits"),
    Data("arrays", "static", "bits"),
    Data("arrays", "none", "levels"),
    Data("arrays", "none", "reals"),
    Data("mnist", "dynamic", "bits", NO_VALIDATION),
    Data("mnist", "none", "levels", NO_VALIDATION),
    Data("fashion_mnist", "dynamic", "bits", NO_VALIDATION),
    Data("fashion_mnist", "none", "levels", NO_VALIDATION),
]
FITS = {
    "bernoulli": {"bits"},
    "categorical": {"levels"},
    "discretized_logistic": {"levels"},
    "gaussian": {"levels"},
    "gaussian likelihood.dequantize=false": {"reals"},
    "continuous_bernoulli": {"levels", "reals"},
}
NETWORKS = {
    "mlp": ["model.hidden=[64]"],
    "gated_conv": ["model.channels=4", "model.features=32"],
    "resnet": ["model.channels=[8,16]", "model.features=32"],
}
SHORT = [
    *("device=cpu", "K=2", "model.latent_dim=8", "optim.lr=0.003", "optim.warmup_steps=50"),
    *("trainer.batch_size=10", "trainer.max_steps=500", "trainer.val_every=500"),
    *("trainer.log_every=50", "trainer.checkpoint_every=500", "trainer.progress=false"),
    *("eval.elbo_draws=1", "eval.num_samples=0"),
]
COLUMNS = [
    *("data", "binarization", "values", "likelihood", "model", "outcome"),
    *("first_loss", "last_loss", "test_neg_elbo", "line"),
]


def colours() -> np.ndarray:
    """Three-channel discs, 18×14 pixels: float32 [600, 3, 18, 14] in [0, 1]."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(0, 1, (600, 3, 2, 1, 1)) * np.array([18, 14])[:, None, None]
    rows, columns = np.arange(18)[:, None], np.arange(14)
    squares = (rows - centres[:, :, 0]) ** 2 + (columns - centres[:, :, 1]) ** 2
    return np.exp(-squares / 20).astype(np.float32)


def write_arrays(folder: Path) -> None:
    grey = colours()
    np.save(folder / "bits.npy", (grey > 0.5).astype(np.uint8))
    np.save(folder / "levels.npy", np.rint(255 * grey).astype(np.uint8))
    np.save(folder / "reals.npy", grey)


def train(words: list[str]) -> tuple[int, str]:
    """Exit status and errors of the command."""
    sys.argv = ["scripts/train.py", *words]
    errors = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(errors):
        try:
            run("train")
        except SystemExit as end:
            return int(end.code or 0), errors.getvalue().strip()


def combination(data: Data, likelihood: str, model: str, files: Path, out: Path) -> dict[str, str]:
    name, *options = likelihood.split()
    parts = [data.name, data.values, data.binarization, likelihood.replace("=", " "), model]
    folder = out / "_".join(" ".join(parts).split())
    source = {
        "mnist": [],
        "arrays": [f"data.path={out / data.values}.npy"],
    }.get(data.name, [f"data.root={files}"])
    words = [
        *(f"data={data.name}", f"data.binarization={data.binarization}", *data.options, *source),
        *(f"likelihood={name}", *options, f"model={model}", *NETWORKS[model], *SHORT),
        f"run.dir={folder}",
    ]
    status, errors = train(words)
    if status in (EXIT_STATUS, INTERRUPTED):
        raise SystemExit(status)  # given again, it resumes this run
    chosen = [data.name, data.binarization, data.values, likelihood, model]
    row = dict(zip(COLUMNS[:5], chosen, strict=True))
    if data.values not in FITS[likelihood]:
        fitting = [f"likelihood={other}" for other, values in FITS.items() if data.values in values]
        one_line = "\n" not in errors and all(other in errors for other in fitting)
        outcome = "refused" if status != 0 and one_line else "WRONG"
        return row | {"outcome": outcome, "line": errors.replace(str(out), "OUT")}
    if status != 0:
        return row | {"outcome": "WRONG", "line": errors}
    losses = read_history(folder / "metrics.jsonl")["train/loss"]
    test = json.loads((folder / "results.json").read_text())["neg_elbo"]
    fell = losses.steps[-1] == 500 and losses.values[-1] < losses.values[0]
    numbers = [f"{value:.1f}" for value in (losses.values[0], losses.values[-1], test)]
    return row | dict(zip(COLUMNS[5:9], ["fell" if fell else "WRONG", *numbers], strict=True))


def main(files: Path, out: Path) -> int:
    out.mkdir(parents=True, exist_ok=True)
    write_arrays(out)
    omniglot.read_drawings = cache(omniglot.read_drawings)  # unpacking them takes seconds
    wrong = 0
    with (out / "results.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for data in DATA:
            for likelihood, values in FITS.items():
                # A misfit is refused before the network is built: one network shows it.
                for model in NETWORKS if data.values in values else ["mlp"]:
                    row = combination(data, likelihood, model, files, out)
                    table.writerow(row)
                    file.flush()
                    print(*row.values(), sep="  ", flush=True)
                    wrong += row["outcome"] == "WRONG"
    print(f"{wrong} of the combinations are wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
