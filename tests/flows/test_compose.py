import pytest
import torch

from nfvae.flows import IAF, Compose, Identity, Planar, Radial, RealNVP


def parts():
    return [Planar(3, 2), RealNVP(3, 4, context_size=5, hidden_size=8), Radial(3, 3)]


def test_is_the_flows_one_after_the_other():
    flows = [flow.double() for flow in parts()]
    flow = Compose(flows)
    assert flow.num_transforms == 9
    assert flow.param_size == sum(part.param_size for part in flows)
    own = [torch.randn(4, part.param_size, dtype=torch.float64) for part in flows]
    z = point = torch.randn(2, 4, 3, dtype=torch.float64)
    terms = []
    for part, params in zip(flows, own, strict=True):
        terms.append(part.transform_log_dets(point, params))
        point, _ = part(point, params)
    y, log_det = flow(z, torch.cat(own, -1))
    assert y.equal(point)
    by_transform = flow.transform_log_dets(z, torch.cat(own, -1))
    assert by_transform.equal(torch.cat(terms))
    torch.testing.assert_close(log_det, by_transform.sum(0))
    back, inverse_log_det = flow.inverse(y, torch.cat(own, -1))
    torch.testing.assert_close(back, z)
    torch.testing.assert_close(inverse_log_det, -log_det)


def test_starts_where_its_flows_start():
    torch.manual_seed(1)
    start = Compose(parts()).initial_params()
    torch.manual_seed(1)
    assert start.equal(torch.cat([flow.initial_params() for flow in parts()]))


def test_nests():
    planar, iaf, radial = Planar(3, 2), IAF(3, 2, context_size=4), Radial(3, 2)
    flat = Compose([planar, iaf, radial])
    nested = Compose([planar, Compose([iaf, radial])])
    assert nested.num_transforms == 6
    params, z = torch.randn(5, flat.param_size), torch.randn(5, 3)
    torch.testing.assert_close(nested(z, params), flat(z, params))
    torch.testing.assert_close(
        nested.transform_log_dets(z, params), flat.transform_log_dets(z, params)
    )


def test_of_flows_without_transforms_is_the_identity():
    flow = Compose([Identity(3), Planar(3, 0)])
    z, params = torch.randn(4, 3), torch.zeros(0)
    assert flow(z, params)[0].equal(z)
    assert flow.transform_log_dets(z, params).shape == (0, 4)


def test_its_weights_are_those_of_its_flows():
    iaf = IAF(3, 2)
    assert set(map(id, iaf.parameters())) == set(map(id, Compose([iaf]).parameters()))


def test_takes_the_strictest_limit_of_its_flows():
    limited = Radial(3, 1)
    limited.max_param_scale = 2.0
    assert Compose([Planar(3, 1), limited]).max_param_scale == 2.0


def test_refuses_what_does_not_fit_together():
    with pytest.raises(ValueError, match="at least one flow"):
        Compose([])
    with pytest.raises(ValueError, match=r"flows of one dimension, got \[3, 4\]"):
        Compose([Planar(3, 1), Radial(4, 1)])
    with pytest.raises(TypeError, match="takes flows, got str"):
        Compose(["planar"])
