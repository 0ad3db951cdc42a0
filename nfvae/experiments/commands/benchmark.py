"""benchmark.py: a table of times for each part, medians over rounds, and the same as JSON."""

import os
import platform
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from nfvae.experiments.benchmark import suite
from nfvae.experiments.benchmark.gpu import gpu_rows
from nfvae.experiments.benchmark.startup import startup
from nfvae.experiments.benchmark.timing import on_cores
from nfvae.experiments.configuration.config import (
    Config,
    Device,
    NumThreads,
    Positive,
    parse_config,
)
from nfvae.experiments.configuration.device import choose_device, device_name
from nfvae.experiments.configuration.memory import check_memory
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.configuration.sections import Section, check_section
from nfvae.experiments.errors import ConfigError, one_line
from nfvae.experiments.figures.scaling import scaling_figure
from nfvae.experiments.figures.style import save_png
from nfvae.experiments.running.provenance import provenance
from nfvae.experiments.storage.atomic import make_output_folder
from nfvae.experiments.storage.config_file import look_up
from nfvae.experiments.storage.json_file import write_json
from nfvae.paths import expand

NLL_IMAGES, NLL_SAMPLES = 20, 5000
COMPILED: list[tuple[dict[str, Any], int]] = [
    ({"name": "planar"}, 16),
    ({"name": "sylvester_orthogonal"}, 4),
    ({"name": "spline"}, 4),
]

Part = Literal["flow", "step", "compile", "nll", "startup", "scaling", "gpu"]
NumTransforms = Annotated[int, Field(ge=0, le=10_000)]
Row = dict[str, Any]


class BenchmarkConfig(Section):
    """The settings of benchmark.py, in addition to the sections of a training run."""

    parts: Annotated[list[Part], Field(min_length=1)]
    K: Annotated[list[NumTransforms], Field(min_length=1)]
    batch_size: Annotated[list[Positive], Field(min_length=1)]
    repeats: Annotated[int, Field(ge=1, le=10_000)]
    compiled: bool
    peers: bool
    num_threads: NumThreads
    device: Device
    folder: str


def benchmark(composed: Mapping[str, Any]) -> int:
    """Time the chosen parts; returns the exit status.

    Raises:
        NfvaeError: a setting, the data or the folder cannot be used.
    """
    own = BenchmarkConfig.model_fields.keys()
    config = check_section(BenchmarkConfig, {k: v for k, v in composed.items() if k in own})
    base = {k: v for k, v in composed.items() if k not in own}
    if (name := look_up(base, "flow.name")) != "planar":
        raise ConfigError(
            f"flow={one_line(name)} has no other implementations to compare with; use flow=planar"
        )
    runs = {
        (K, batch): _run_config(base, K, batch) for batch in config.batch_size for K in config.K
    }
    first = next(iter(runs.values()))
    device = choose_device(config.device if "gpu" in config.parts else "cpu")
    folder = expand(config.folder, "folder")
    data = read_data(first.data)
    made_by = provenance()
    make_output_folder(folder, "folder=")
    torch.set_num_threads(config.num_threads)
    torch.manual_seed(first.seed)
    few = max(3, config.repeats // 10)

    def flows() -> list[Row]:
        dim, repeats, peers = first.latent_dim, config.repeats, config.peers
        return [
            {"K": K, "B": batch} | suite.flow_alone(dim, K, batch, repeats, peers)
            for K, batch in runs
            if K
        ]

    def steps() -> list[Row]:
        return [
            {"K": K, "B": batch}
            | suite.training_step(run, data, config.repeats, config.compiled, config.peers)
            for (K, batch), run in runs.items()
        ]

    def compiled() -> list[Row]:
        rows = []
        for flow, K in COMPILED:
            run = _run_config({**base, "flow": flow}, K, first.trainer.batch_size)
            rows.append(
                {"flow": flow["name"], "K": K} | suite.compiled_step(run, data, config.repeats)
            )
        return rows

    def nll() -> list[Row]:
        return [
            {
                "K": K,
                "S": NLL_SAMPLES,
                "images·samples/s": suite.nll_throughput(run, data, NLL_IMAGES, NLL_SAMPLES, few),
            }
            for (K, batch), run in runs.items()
            if batch == first.trainer.batch_size
        ]

    measures: dict[Part, tuple[str, Callable[[], list[Row]]]] = {
        "flow": ("planar flow alone, forward and backward, ms", flows),
        "step": ("training step, ms", steps),
        "compile": ("training step with and without torch.compile, ms", compiled),
        "nll": ("importance-weighted NLL", nll),
        "startup": ("start, seconds", lambda: [startup(few)]),
        "scaling": ("planar flow alone against its sizes, ms", lambda: suite.scaling(few)),
        "gpu": (
            "updates per second"
            + (", a rehearsal without meaning" if device.type == "cpu" else " on a GPU"),
            lambda: list(gpu_rows(runs, data, device, config.repeats, config.peers)),
        ),
    }
    measured = {}
    for part in config.parts:
        title, measure = measures[part]
        with nullcontext() if part == "gpu" else on_cores(config.num_threads):
            measured[part] = measure()
        print(f"\n{title}\n{_table(measured[part])}", flush=True)
    if "scaling" in measured:
        save_png(scaling_figure(measured["scaling"]), folder / "scaling.png", dpi=110)
    machine = {"processor": _processor(), "cores": os.cpu_count(), "device": device_name(device)}
    settings = {"repeats": config.repeats, "num_threads": config.num_threads}
    write_json(folder / "benchmark.json", measured | settings | machine | made_by)
    print(f"\nwritten to  {folder}")
    return 0


def _run_config(base: Mapping[str, Any], K: int, batch: int) -> Config:
    flow = base["flow"] if K else {"name": "none"}
    place = {"device": "cpu", "run": {"dir": None, "name": None}}
    trainer = {**base.get("trainer", {}), "batch_size": batch}
    config = parse_config({**base, **place, "K": K, "flow": flow, "trainer": trainer})
    check_memory(config, (1, 28, 28), torch.device("cpu"))
    return config


def _table(rows: list[Row]) -> str:
    """Rows under the names of their columns, aligned to the right."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _processor() -> str:
    """The processor's name, from /proc/cpuinfo or `platform`."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((s.partition(":")[2].strip() for s in lines if s.startswith("model name")), "")
