"""The callback that logs a run: metrics.jsonl, TensorBoard, and the terminal."""

import sys
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from nfvae.evaluation.mode import evaluation_mode
from nfvae.experiments.configuration.config import Config
from nfvae.experiments.monitoring.metrics_log import MetricsLog, writing
from nfvae.experiments.monitoring.model_log import first_images, flow_histograms, model_pictures
from nfvae.experiments.monitoring.progress import progress_bar
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.seeds import stream_seed
from nfvae.training import Callback, Training, Validation

NUM_LOGGED = 1000  # images whose flow is logged
NUM_PICTURES = 5  # how often a run logs pictures, at equal intervals


@dataclass(eq=False)
class RunLog(Callback):
    """Log the bound's terms, validations, the flow and pictures.

    It must come after the validation in the list of callbacks: an interrupted validation is
    repeated after a resume, and its step must not be logged twice.
    """

    folder: RunFolder
    config: Config
    validation: Validation
    _log: MetricsLog | None = field(default=None, init=False)

    def on_start(self, training: Training) -> None:
        self.close()
        trainer = self.config.trainer
        self._bar = progress_bar("train", training.num_steps, training.step, trainer.progress)
        with writing(self.folder.path):
            self._log = MetricsLog(self.folder.path, self.folder.metrics, training.step)
            if training.step == 0:
                self._log.config(self.config)

    def on_step(self, training: Training) -> None:
        assert self._log is not None
        self._bar.update()
        with writing(self.folder.path):
            if training.step % self.config.trainer.log_every == 0:
                training.check_finite()
                self._log_training(training, self._log)
            if self.validation.due(training):
                with training.stopwatch.pause():
                    self._log_validation(training, self._log)
                    self._log_model(training, self._log)

    def sync(self) -> None:
        """Flush everything to the disk."""
        if self._log is not None:
            with writing(self.folder.path):
                self._log.sync()

    def close(self) -> None:
        if self._log is not None:
            self._bar.close()
            log, self._log = self._log, None
            with writing(self.folder.path):
                log.close()

    def _log_training(self, training: Training, log: MetricsLog) -> None:
        means = training.meter.pop()  # waits for the device
        speed = training.stopwatch.steps_per_second(training.step) * training.sampler.batch_size
        values = {f"train/{name}": value for name, value in means.items()}
        values |= {"train/beta": training.beta, "train/epoch": training.epoch}
        for name in ("lr", "decoder_lr"):
            if (rate := getattr(self.config.optim, name)) is not None:
                values[f"train/{name}"] = rate * training.lr_factor
        log.scalars(training.step, values | {"system/images_per_second": speed})
        postfix = {name: f"{means[name]:.2f}" for name in ("neg_elbo", "kl")}
        postfix |= {"beta": f"{training.beta:.2f}", "images_s": f"{speed:.0f}"}
        self._bar.set_postfix(postfix, refresh=False)

    def _log_validation(self, training: Training, log: MetricsLog) -> None:
        validation, line = self.validation, f"step {training.step:>7}  epoch {training.epoch:6.1f}"
        estimate = validation.estimate
        if estimate is not None and validation.step == training.step:
            values = {
                "val/neg_elbo": estimate.neg_elbo,
                "val/distortion": estimate.distortion,
                "val/kl": estimate.kl,
                "val/log_det": estimate.sum_log_det,
                "val/active_units": float(estimate.active_units),
            }
            log.scalars(training.step, values)
            line += f"  val −ELBO {estimate.neg_elbo:8.3f}  KL {estimate.kl:6.2f}"
            line += f"  active units {estimate.active_units}"
            line += "  best" if validation.improved else ""
        tqdm.write(line, file=sys.stderr)

    def _log_model(self, training: Training, log: MetricsLog) -> None:
        """Log the flow and pictures, for validation images or, without them, training images."""
        seed = stream_seed(0, "pictures")
        generator = torch.Generator(training.device).manual_seed(seed)
        split = training.data.val or training.data.train
        with torch.inference_mode(), evaluation_mode(training.vae):
            x = first_images(split, NUM_LOGGED, generator)
            posterior = training.vae.posterior(x, validate_args=False)
            log_dets = posterior.transform_log_dets(generator)
            if by_transform := log_dets.mean(-1).tolist():
                names = (f"flow/log_det_step_{k:02}" for k in range(1, len(by_transform) + 1))
                log.record(training.step, dict(zip(names, by_transform, strict=True)))
            log.histograms(training.step, flow_histograms(posterior, log_dets))
            if self._pictures_due(training):
                log.images(training.step, model_pictures(training.vae, split, generator))

    def _pictures_due(self, training: Training) -> bool:
        val_every = self.config.trainer.val_every
        every = max(1, training.num_steps // val_every // NUM_PICTURES)
        return (training.step // val_every) % every == 0 or training.step == training.num_steps
