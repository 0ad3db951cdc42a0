"""A whole training run, from its configuration to results.json."""

import sys
from dataclasses import replace
from typing import Any

import torch

from nfvae.data import Dataset
from nfvae.errors import DivergenceError, StateError
from nfvae.experiments.configuration.build import check_likelihood, count_steps, fit_arguments
from nfvae.experiments.configuration.config import Config, check_validation
from nfvae.experiments.configuration.control_group import default_num_threads
from nfvae.experiments.configuration.device import choose_device
from nfvae.experiments.configuration.memory import check_memory
from nfvae.experiments.configuration.parts import read_data
from nfvae.experiments.errors import CheckpointError, ConfigError
from nfvae.experiments.interruption import StopRequest
from nfvae.experiments.monitoring.metrics_log import log_results
from nfvae.experiments.monitoring.run_log import RunLog
from nfvae.experiments.running.callbacks import Checkpoints, Rewind, StopOnSignal
from nfvae.experiments.running.loading import does_not_fit, load_or_advise, load_weights
from nfvae.experiments.running.measure import describe, measure
from nfvae.experiments.running.parallel import NoCheckpoints, StopTogether, sync_every
from nfvae.experiments.running.provenance import provenance
from nfvae.experiments.running.tuning import tuned
from nfvae.experiments.storage.checkpoint import load_checkpoint
from nfvae.experiments.storage.failure import failure_recorded
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.experiments.storage.same_run import check_same_run
from nfvae.training import Callback, Validation, fit
from nfvae.training.distributed import check_divisible
from nfvae.training.ranks import ALONE, Ranks


def run_training(
    config: Config, folder: RunFolder, stop: StopRequest, ranks: Ranks = ALONE
) -> dict[str, Any]:
    """Train in a folder, or resume there; returns the content of results.json.

    Args:
        config: the run's configuration.
        folder: the run's folder; of several ranks, only rank 0 uses it.
        stop: set by a signal.
        ranks: the processes that train this run together.

    Raises:
        Interrupted: `stop` was set; the run is saved, and the same call resumes it.
    """
    ranks = replace(ranks, sync_every=sync_every(config.trainer))
    if (results := ranks.from_first(lambda: _results_of(folder, config))) is not None:
        return results
    made_by = provenance()
    available = default_num_threads()
    device, data, arguments = ranks.together(lambda: _prepare(config, ranks))
    header = {"config": config.model_dump(mode="json"), "image_shape": list(data.image_shape)}

    trainer = config.trainer
    validation = Validation(
        trainer.val_every,
        patience=trainer.early_stopping,
        on_rows=lambda rows: stop.check(),
        spread=ranks.spread,
    )
    log = RunLog(folder, config, validation)
    first = ranks.rank == 0
    callbacks: list[Callback] = [
        StopOnSignal(stop) if ranks.size == 1 else StopTogether(stop, ranks),
        validation,
        *([log] if first else []),
    ]
    checkpoints = (Checkpoints if first else NoCheckpoints)(
        folder, trainer.checkpoint_every, validation, header, callbacks, log.sync
    )
    max_rewinds = trainer.max_rewinds if trainer.on_nan == "rewind" else 0
    rewind = Rewind(max_rewinds, checkpoints)
    callbacks += [rewind, checkpoints]

    with ranks.on_first(folder.held(config)), ranks.on_first(failure_recorded(folder.path)):
        # Another process may have ended it in the meantime.
        if (results := ranks.from_first(lambda: _results_of(folder, config))) is not None:
            return results
        try:
            stored = ranks.from_first(lambda: _load_last(folder, header, device))
            settings = ranks.from_first(lambda: tuned(trainer, arguments, stored))
            header |= settings
            torch.set_num_threads(settings["num_threads"])
            arguments |= {"precision": settings["precision"]}
            training = fit(**arguments, ranks=ranks, callbacks=callbacks, resume_from=stored)
        except DivergenceError as error:
            raise DivergenceError(f"{error}; {_after_divergence(config, folder)}") from None
        except StateError as error:
            unfit = does_not_fit(folder.last, error)
            raise CheckpointError(f"{unfit}; {_way_back(folder)}") from None

        described = describe(config, training, validation, rewind.rewinds) | settings | made_by
        described["num_processes"] = ranks.size
        if config.eval.checkpoint == "best":
            best = ranks.from_first(lambda: _load_best(folder, validation.best_step))
            load_weights(training.vae, best, folder.best)
        torch.set_num_threads(config.trainer.num_threads or available)
        test, which = training.data.test, config.eval.checkpoint
        measured = measure(
            training.vae, test, "test", config.eval, which, stop, trainer.progress, ranks
        )
        if first:
            log_results(folder.path, training.step, measured)
            folder.write_results(measured | described)
        return measured | described


def _results_of(folder: RunFolder, config: Config) -> dict[str, Any] | None:
    """The results of a complete run; its files are only read, so no lock is needed."""
    if not folder.complete:
        return None
    folder.check_same(config)
    return folder.read_results()


def _prepare(config: Config, ranks: Ranks) -> tuple[torch.device, Dataset, dict[str, Any]]:
    """The device, the data, and the arguments of `nfvae.fit` except callbacks and ranks."""
    device = choose_device(config.device, ranks.local_rank if ranks.size > 1 else None)
    data = read_data(config.data)
    check_run(config, data, device, ranks.size)
    arguments = fit_arguments(config, data.to(device), device)
    try:
        vae, objective = arguments["vae"], arguments["objective"]
        check_divisible(ranks, vae, objective, arguments["batch_size"])
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return device, data, arguments


def check_run(config: Config, data: Dataset, device: torch.device, num_processes: int = 1) -> int:
    """Check what depends on the data; returns the number of updates."""
    check_likelihood(config, data)
    if data.val is None:
        check_validation(config, f"data={data.name} without validation images")
    check_memory(config, data.image_shape, device, num_processes)
    if config.trainer.cuda_graph and (device.type != "cuda" or num_processes > 1):
        raise ConfigError(
            "trainer.cuda_graph=true needs a GPU and one process, but there are "
            f"{num_processes} on the device {device}; use trainer.cuda_graph=false"
        )
    if config.trainer.compile and num_processes > 1:
        raise ConfigError(
            f"trainer.compile=true is for one process, but there are {num_processes}; use "
            "trainer.compile=false"
        )
    return count_steps(config, data)


def _load_last(
    folder: RunFolder, header: dict[str, Any], device: torch.device
) -> dict[str, Any] | None:
    if not folder.last.exists():
        return None
    content = load_or_advise(folder.last, "cpu", lambda: _way_back(folder))
    stored = content.get("config")
    check_same_run(folder.last, stored if isinstance(stored, dict) else {}, header["config"])
    noise = content.get("generator")
    if isinstance(noise, torch.Tensor) and len(noise) != len(torch.Generator(device).get_state()):
        print(
            f"note: {folder.last} is from another kind of device; noise differs from now on",
            file=sys.stderr,
        )
    return content


def _way_back(folder: RunFolder) -> str:
    """Advice for a run whose last.pt cannot be used."""
    try:
        best = load_checkpoint(folder.best)
    except CheckpointError:
        return f"delete {folder.last} to train again from the start"
    return (
        f"{folder.best} of step {best['step']} is good: to resume from it, "
        f"cp {folder.best} {folder.last} and give the same command again"
    )


def _load_best(folder: RunFolder, best_step: int) -> dict[str, Any]:
    """The checkpoint of the best step."""
    again = f"delete {folder.last} to train again"
    best = load_or_advise(folder.best, "cpu", lambda: again)
    if best.get("step") != best_step:
        raise CheckpointError(
            f"{folder.best} has step {best.get('step')}, but the best step is {best_step}; {again}"
        )
    return best


def _after_divergence(config: Config, folder: RunFolder) -> str:
    if config.trainer.on_nan == "rewind":
        return (
            f"trainer.max_rewinds={config.trainer.max_rewinds} is reached; {folder.last} is kept; "
            "try lower learning rates or optim.grad_clip in another run.dir"
        )
    kept = f"{folder.last} is kept" if folder.last.exists() else "no checkpoint was due yet"
    return (
        f"training stopped, {kept}; try lower learning rates or optim.grad_clip, or resume "
        "with trainer.on_nan=rewind"
    )
