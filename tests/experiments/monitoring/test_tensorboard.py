"""What a run leaves for TensorBoard, read back from its events."""

import errno
import os

import pytest
import torch
import yaml
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray

from nfvae.experiments.configuration import parts
from nfvae.experiments.configuration.build import fit_arguments
from nfvae.experiments.errors import RunFolderError
from nfvae.experiments.interruption import Interrupted, StopRequest
from nfvae.experiments.monitoring.hyperparameters import hyperparameters
from nfvae.experiments.monitoring.metrics_log import MetricsLog
from nfvae.experiments.monitoring.model_log import flow_histograms, model_pictures
from nfvae.experiments.running.run import run_training
from nfvae.experiments.storage.run_folder import RunFolder
from nfvae.training import Training

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def hparams_of(events):
    parts = {}
    for tag in ("experiment", "session_start_info", "session_end_info"):
        content = events.SummaryMetadata(f"_hparams_/{tag}").plugin_data.content
        parts[tag] = getattr(HParamsPluginData.FromString(content), tag)
    return parts


def steps_by_tag(events):
    return {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


def test_a_run_says_what_it_is_and_how_it_ended(small_config, folder, read_events):
    config = small_config("optim.lr=2e-3")
    results = run_training(config, folder, StopRequest())
    events = read_events(folder.path)
    assert [path for path in folder.path.iterdir() if path.is_dir()] == [folder.last.parent]

    (text,) = events.Tensors("config/text_summary")
    block = text.tensor_proto.string_val[0].decode()
    assert yaml.safe_load(block.removeprefix("```yaml\n").removesuffix("```")) == config.model_dump(
        mode="json"
    )

    hparams = hparams_of(events)
    values = hparams["session_start_info"].hparams
    assert values["optim.lr"].number_value == 2e-3
    assert values["flow"].string_value == "planar"
    assert values["flow.options"].string_value == "constraint=identity"
    metrics = [info.name.tag for info in hparams["experiment"].metric_infos]
    tags = events.Tags()["tensors"]
    assert {"bound/val_neg_elbo", "test/nll"} <= set(metrics) <= set(tags)
    charts = sorted(tag for tag in tags if not tag.startswith("_"))  # as TensorBoard sorts them
    assert charts[:2] == ["bound/train_neg_elbo", "bound/val_neg_elbo"]
    assert charts[-3:] == [f"volume/log_det_{name}" for name in ("step_01", "step_02", "sum")]
    assert hparams["session_end_info"].status == 1  # success
    for name in ("neg_elbo", "nll", "active_units"):
        (event,) = events.Tensors(f"test/{name}")
        assert (event.step, make_ndarray(event.tensor_proto)) == (30, pytest.approx(results[name]))


def test_a_resumed_run_has_every_event_once(small_config, tmp_path, read_events, monkeypatch):
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    config = small_config("eval.num_samples=0")
    run_training(config, whole, StopRequest())
    update = Training.update
    for died_at in (4, 17):  # before the first checkpoint, and after it

        def dying_step(self, died_at=died_at):
            if self.step == died_at:
                raise MemoryError
            update(self)

        monkeypatch.setattr(Training, "update", dying_step)
        with pytest.raises(MemoryError):
            run_training(config, broken, StopRequest())
    monkeypatch.undo()
    stop = StopRequest()
    monkeypatch.setattr(stop, "check", lambda: (_ for _ in ()).throw(Interrupted))
    with pytest.raises(Interrupted):  # while the test split is measured
        run_training(config, broken, stop)
    run_training(config, broken, StopRequest())

    steps = steps_by_tag(read_events(broken.path))
    assert steps == steps_by_tag(read_events(whole.path))
    assert steps["samples"] == steps["volume/log_det_step_02"] == [10, 20, 30]
    assert steps["config/text_summary"] == [0]
    assert steps["test/neg_elbo"] == [30]
    assert "test/nll" not in steps  # none was asked for


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_an_unreadable_log_is_not_called_damaged(tmp_path, monkeypatch, number):
    def broken(*arguments):
        raise OSError(number, os.strerror(number))

    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 1}\n')
    monkeypatch.setattr("nfvae.experiments.monitoring.metrics_log.read_regular", broken)
    with pytest.raises(RunFolderError, match=f"cannot be read: {os.strerror(number)}; ") as caught:
        MetricsLog(tmp_path, metrics, step=1)
    assert "damaged" not in str(caught.value)
    assert "move" not in str(caught.value)


def test_histograms_are_of_the_values(tiny_vae):
    x = torch.bernoulli(torch.full((200, 1, 4, 5), 0.5)).double()
    posterior = tiny_vae("planar", dim=3, num_transforms=4).posterior(x)
    log_dets = posterior.transform_log_dets()
    log_dets[1, 7] = torch.inf
    values = flow_histograms(posterior, log_dets)
    assert torch.equal(values["flow_params/amortized"], posterior.params[:100].flatten())
    assert torch.equal(values["volume/log_det_step_01"], log_dets[0])
    assert len(values["volume/log_det_step_02"]) == 199
    assert "flow_params/own_weights" not in values  # planar: all from the encoder
    iaf = tiny_vae("iaf").posterior(x)
    own = flow_histograms(iaf, iaf.transform_log_dets())["flow_params/own_weights"]
    assert own.numel() == sum(p.numel() for p in iaf.flow.parameters())


def test_there_are_no_histograms_without_transforms(tiny_vae):
    posterior = tiny_vae("none", num_transforms=0).posterior(torch.zeros(5, 1, 4, 5).double())
    assert flow_histograms(posterior, posterior.transform_log_dets()) == {}


def test_pictures_of_two_latents_show_the_plane(small_config, folder):
    data = parts.load_dataset("mnist")
    for dim, extra in ((2, {"latent_plane", "posterior_samples"}), (3, set())):
        vae = fit_arguments(small_config(f"model.latent_dim={dim}"), data, CPU)["vae"]
        pictures = model_pictures(vae, data.val, torch.Generator())
        assert pictures.keys() == {"reconstructions", "samples"} | extra
        x = data.val.images[:16] / 255
        shown = torch.cat(
            [pictures["reconstructions"][0, 2:30, 2 + 30 * i :][:, :28] for i in range(16)], 1
        )
        assert torch.equal(shown, torch.cat([image[0] for image in x], 1))
    vae = fit_arguments(small_config("model.latent_dim=2"), data, CPU)["vae"]
    rgb = model_pictures(vae, data.val, torch.Generator())["posterior_samples"]
    assert rgb.dtype == torch.uint8
    assert len(rgb.flatten(1).T.unique(dim=0)) > 100  # ten colours and their edges


def test_hyperparameters_have_the_same_names_for_every_flow(make_config):
    planar, spline = (hyperparameters(make_config(f"flow={name}")) for name in ("planar", "spline"))
    assert planar.keys() == spline.keys()
    assert planar["model.hidden"] == "[400, 400]"
    assert {"K", "seed", "optim.lr", "data.binarization", "trainer.batch_size"} <= planar.keys()
    assert planar["optim.decoder_lr"] == planar["optim.lr"]  # null in the configuration
    assert hyperparameters(make_config("optim.decoder_lr=0.25"))["optim.decoder_lr"] == 0.25
    assert not {"device", "run.dir", "trainer.num_threads", "trainer.log_every"} & planar.keys()
