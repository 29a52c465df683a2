"""The two places of the norm, on functions that show the order in which they are called."""

import pytest
import torch

from minitf.equations.normalization import layer_norm
from minitf.equations.residual import post_norm, pre_norm

BOTH = pytest.mark.parametrize("f", [post_norm, pre_norm], ids=lambda f: f.__name__)
X = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def norm(x):
    return layer_norm(x, torch.linspace(1, 2, 4).double(), torch.ones(4).double(), 1e-12)


def test_post_norm_and_pre_norm_are_their_formulas():
    assert torch.equal(post_norm(X, torch.sin, norm), norm(X + X.sin()))
    assert torch.equal(pre_norm(X, torch.sin, norm), X + norm(X).sin())


@BOTH
def test_the_sublayer_and_the_norm_are_called_once_each_in_order(f):
    calls = []

    def sublayer(x):
        calls.append("sublayer")
        return x

    def counted(x):
        calls.append("norm")
        return x

    f(X, sublayer, counted)
    assert calls == (["sublayer", "norm"] if f is post_norm else ["norm", "sublayer"])


def test_with_a_sublayer_of_zeros_pre_norm_changes_nothing_and_post_norm_normalizes():
    assert torch.equal(pre_norm(X, torch.zeros_like, norm), X)
    assert torch.equal(post_norm(X, torch.zeros_like, norm), norm(X))


def test_the_gradient_reaches_x_directly_in_pre_norm_only():
    """∂/∂X of pre-norm is I + …; in post-norm every path passes the norm, which does not depend on the scale of X."""
    x = X.clone().requires_grad_()
    (direct,) = torch.autograd.grad(pre_norm(x, torch.zeros_like, norm).sum(), x)
    assert torch.equal(direct, torch.ones_like(x))
    (through,) = torch.autograd.grad(post_norm(x, torch.zeros_like, norm).square().sum(), x)
    assert (through * (X - X.mean(-1, keepdim=True))).sum(-1).abs().max() < 1e-9 < through.abs().max()
