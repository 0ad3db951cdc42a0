"""The model: images from the prior, its start, what it refuses, and its weights by purpose."""

import pytest
import torch
from torch import nn

from nfvae.data import Dataset, Split
from nfvae.evaluation import estimate_elbo, estimate_nll, nll
from nfvae.flows import IAF, Compose, Identity, Planar, Radial
from nfvae.likelihoods import Bernoulli, Gaussian
from nfvae.networks import NETWORKS, mlp
from nfvae.objective import elbo
from nfvae.priors import Prior
from nfvae.training import fit
from nfvae.vae import VAE

SHAPE = (1, 4, 5)


def bits(n, dtype=torch.float64):
    return torch.bernoulli(torch.full((n, *SHAPE), 0.4, dtype=dtype))


def small_vae(flow, prior=None):
    encoder, decoder = mlp(SHAPE, flow.dim, hidden=[16])
    return VAE(encoder, flow, decoder, Bernoulli(), prior)


@pytest.mark.parametrize("flow", ["none", "planar"])
def test_new_images_are_of_the_prior_without_the_flow(tiny_vae, flow):
    vae = tiny_vae(flow, num_transforms=0 if flow == "none" else 4)
    images = vae.sample(6, torch.Generator().manual_seed(3))
    z = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(images, vae.decode(z).sigmoid())
    assert images.shape == (6, *SHAPE)
    assert not images.requires_grad


def test_new_images_are_of_a_users_prior():
    class Far(Prior):
        def log_prob(self, z):
            return torch.distributions.Normal(5.0, 1.0).log_prob(z).sum(-1)

        def sample(self, num_samples, generator=None):
            return 5 + torch.randn(num_samples, 2, generator=generator)

    vae = small_vae(Identity(2), Far())
    images = vae.sample(3, torch.Generator().manual_seed(1))
    z = 5 + torch.randn(3, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(images, vae.mean(z))
    x = bits(4, torch.float32)
    near = VAE(vae.encoder, vae.flow, vae.decoder, vae.likelihood)
    near.load_state_dict(vae.state_dict())
    bounds = [elbo(model, x, 2, torch.Generator().manual_seed(0)) for model in (vae, near)]
    assert (bounds[0] < bounds[1]).all()  # q0 is near 0, far from the prior's 5


def test_a_decoder_that_ignores_z_gives_the_mean_image():
    vae = small_vae(Identity(2))
    mean = torch.linspace(0.05, 0.95, 20).view(SHAPE)
    vae.initialize_output(mean)
    nn.init.zeros_(vae.decoder.output.weight)
    torch.testing.assert_close(vae.mean(torch.randn(3, 2)), mean.expand(3, *SHAPE))


def test_posteriors_start_at_the_flows_own_parameters():
    torch.manual_seed(5)
    flow = Planar(3, 4)
    vae = small_vae(flow)
    nn.init.zeros_(vae.head.weight)
    posterior = vae.posterior(bits(6, torch.float32))
    assert torch.equal(posterior.loc, torch.zeros(6, 3))
    assert torch.equal(posterior.log_scale, torch.full((6, 3), -1.0))
    assert torch.equal(posterior.params, vae.head.bias[6:].expand(6, -1))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.rand(3, *SHAPE), "0 or 1"),
        (torch.randint(0, 256, (3, *SHAPE)).float(), "0 or 1"),
        (torch.full((3, *SHAPE), torch.nan), "0 or 1"),
        (torch.zeros(3, 20), r"\[B, 1, 4, 5\], got \[3, 20\]"),
        (torch.zeros(*SHAPE), r"\[B, 1, 4, 5\], got \[1, 4, 5\]"),
        (torch.zeros(3, 1, 5, 4), r"\[B, 1, 4, 5\], got \[3, 1, 5, 4\]"),
        (torch.zeros(3, 3, 4, 5), r"\[B, 1, 4, 5\], got \[3, 3, 4, 5\]"),
        (torch.zeros(3, *SHAPE, dtype=torch.uint8), "floating point, got torch.uint8"),
        (torch.zeros(3, *SHAPE, dtype=torch.bool), "floating point, got torch.bool"),
    ],
    ids=["grey", "0-255", "nan", "flat", "one", "transposed", "channels", "uint8", "bool"],
)
@pytest.mark.parametrize("use", [VAE.posterior, elbo, nll], ids=["posterior", "elbo", "nll"])
def test_other_images_are_refused_in_one_line(x, message, use):
    vae = small_vae(Planar(2, 2))
    with pytest.raises(ValueError, match=message) as caught:
        use(vae, x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("use", [elbo, nll])
def test_no_samples_are_refused(use):
    with pytest.raises(ValueError, match=r"^num_samples=0 must be at least 1$"):
        use(small_vae(Planar(2, 2)), bits(3, torch.float32), num_samples=0)


def of_the_whole_data(use):
    return lambda vae, data: use(vae, data.test, 1, torch.Generator())


@pytest.mark.parametrize(
    "use",
    [
        lambda vae, data: fit(vae, data, num_steps=1, batch_size=2),
        of_the_whole_data(estimate_elbo),
        of_the_whole_data(estimate_nll),
    ],
    ids=["fit", "estimate_elbo", "estimate_nll"],
)
@pytest.mark.parametrize(
    ("shape", "values", "message"),
    [
        (SHAPE, "levels", "^the data are levels, but Bernoulli needs bits$"),
        ((1, 5, 4), "bits", r"^the data are images of shape \[1, 5, 4\], .* \[1, 4, 5\]$"),
    ],
)
def test_data_that_do_not_fit_are_refused(use, shape, values, message):
    split = Split(torch.zeros(4, *shape, dtype=torch.uint8), values=values)
    data = Dataset("black", split, None, split, "none", "")
    with pytest.raises(ValueError, match=message):
        use(small_vae(Planar(2, 2)), data)


@pytest.mark.parametrize("use", [estimate_elbo, estimate_nll])
def test_no_samples_of_a_split_are_refused(use):
    with pytest.raises(ValueError, match=r"=0 must be at least 1$"):
        use(small_vae(Planar(2, 2)), noise_images(4).test, 0, torch.Generator())


@pytest.mark.parametrize(
    "use",
    [
        lambda vae: vae.decode(torch.zeros(3, 2)),
        lambda vae: vae.initialize_output(torch.full(SHAPE, 0.5)),
    ],
    ids=["decode", "initialize_output"],
)
def test_a_decoder_for_another_likelihood_is_refused(use):
    encoder, decoder = mlp(SHAPE, 2, out_channels=1, hidden=[16])
    vae = VAE(encoder, Planar(2, 2), decoder, Gaussian())
    with pytest.raises(ValueError, match=r"Gaussian needs .* \[2, 4, 5\] .* out_channels=2$"):
        use(vae)


@pytest.mark.parametrize("name", ["mlp", "gated_conv", "resnet"])
def test_a_decoder_of_other_latents_is_refused(name):
    encoder, decoder = NETWORKS[name](SHAPE, 3)
    with pytest.raises(ValueError, match=r"^the flow has 2 latents, but the decoder needs 3$"):
        VAE(encoder, Planar(2, 2), decoder, Bernoulli())


def test_an_empty_batch_is_empty():
    vae = small_vae(Compose([Planar(2, 2), IAF(2, 1), Radial(2, 1)]))
    x = torch.empty(0, *SHAPE)
    assert vae.posterior(x).rsample((3,)).shape == (3, 0, 2)
    assert elbo(vae, x, 4).shape == (0,)
    assert nll(vae, x, 4).shape == (0,)
    assert vae.sample(0).shape == (0, *SHAPE)


def test_weights_belong_to_one_of_the_two_models():
    vae = small_vae(IAF(2, 2), prior=Shifted())
    inference, generative = set(vae.inference_parameters()), set(vae.generative_parameters())
    assert inference | generative == set(vae.parameters())
    assert not inference & generative
    assert set(vae.flow.parameters()) < inference
    assert vae.prior.shift in generative


class Shifted(Prior):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(2))

    def log_prob(self, z):
        return torch.distributions.Normal(self.shift, 1.0).log_prob(z).sum(-1)

    def sample(self, num_samples, generator=None):
        return self.shift + torch.randn(num_samples, 2, generator=generator)


def noise_images(n=200):
    images = 255 * (torch.rand(n, *SHAPE) < torch.linspace(0.02, 0.98, 20).view(SHAPE)).byte()
    split = Split(images, None, dynamic=False)
    return Dataset("noise", split, None, split, binarization="fixed", digest="")


def test_a_vae_with_flows_of_several_families_trains():
    data = noise_images()
    vae = small_vae(Compose([Planar(2, 3), IAF(2, 1), Compose([Radial(2, 2)])]))
    start = {name: value.clone() for name, value in vae.named_parameters()}
    x = next(data.train.batches(200))
    before = elbo(vae, x, 10).mean()
    fit(vae, data, num_steps=200, batch_size=50)
    assert elbo(vae, x, 10).mean() > before + 2
    still = {name for name, value in vae.named_parameters() if torch.equal(value, start[name])}
    assert not still  # weights of the IAF and the parameters of all flows learned
    assert vae.posterior(x).transform_log_dets().shape == (6, 200)


def test_a_prior_with_weights_is_trained():
    data = noise_images()
    vae = small_vae(Identity(2), prior=Shifted())
    fit(vae, data, num_steps=5, batch_size=50)
    assert vae.prior.shift.abs().min() > 0


def test_parts_in_the_wrong_order_or_not_built_are_refused():
    encoder, decoder = mlp((1, 4, 4), 2, hidden=[5])
    flow = Planar(2, 1)
    with pytest.raises(TypeError, match="needs a Flow here, got MLPDecoder"):
        VAE(encoder, decoder, flow, Bernoulli())
    with pytest.raises(TypeError, match="needs a Likelihood here, got ABCMeta"):
        VAE(encoder, flow, decoder, Bernoulli)
