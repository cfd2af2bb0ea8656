"""The autoencoder against PyTorch: automatic differentiation, its own steps, bfloat16."""

import numpy as np
import pytest

from shakeslide.core.errors import InputError
from shakeslide.models import StackedAutoencoder, fit_members
from shakeslide.models.sae import sae_kernels as kernels
from shakeslide.models.sae import sae_training as training
from shakeslide.models.sae.sae_network import autoencoder_plan

from .networks import QUICK, data, numeric_gradient, random_stack, reference_loss

torch = pytest.importorskip("torch", reason="needs PyTorch, which is optional")
from shakeslide.models.sae import autoencoder_torch  # noqa: E402


def torch_replica(model, X, y):
    """The same training by automatic differentiation, with the first weights of `model`'s seed."""
    seed, phase_weights = model.seeds_[0], []
    sizes = [X.shape[1], *model.units]
    X_t, y_t = torch.from_numpy(X), torch.from_numpy(np.asarray(y))

    def layer(phase, part, n_in, n_out, init):
        drawn = training.draw_weights(training.generator(seed, 0, phase, part), n_in, n_out, init)
        w = torch.from_numpy(drawn.copy()).requires_grad_()
        return w, torch.zeros(n_out, requires_grad=True)

    def run(parameters, loss, phase, steps, rate):
        make = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[model.optimiser]
        more = {"weight_decay": 0.0} if model.optimiser == "adamw" else {}
        optimiser = make(parameters, lr=rate, **more)
        schedule = None
        if model.schedule == "one_cycle":
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, rate, total_steps=steps, cycle_momentum=False
            )
        order = training.BatchOrder(seed, phase, len(X), model.batch_size)
        for step in range(steps):
            optimiser.zero_grad()
            loss(torch.from_numpy(order.rows(step, step + 1))).backward()
            optimiser.step()
            if schedule is not None:
                schedule.step()

    encoders = []
    for phase in range(len(model.units)):
        enc = layer(phase, 0, sizes[phase], sizes[phase + 1], model.init)
        dec = layer(phase, 1, sizes[phase + 1], sizes[phase], model.init)

        def reconstruction(rows, enc=enc, dec=dec, below=tuple(encoders)):
            h = X_t[rows]
            for w, b in below:
                h = torch.sigmoid(h @ w.T + b)
            t = torch.sigmoid(h @ enc[0].T + enc[1])
            y_hat = torch.sigmoid(t @ dec[0].T + dec[1])
            r = t.mean(0)
            rho = model.rho
            kl = rho * torch.log(rho / r) + (1 - rho) * torch.log((1 - rho) / (1 - r))
            squared = ((h - y_hat) ** 2).sum() / (2 * len(rows))
            penalty = (enc[0] ** 2).sum() + (dec[0] ** 2).sum()
            return squared + 2 * model.weight_decay * penalty + model.beta * kl.sum()

        run([*enc, *dec], reconstruction, phase, model.pretrain_steps, model.learning_rate)
        encoders.append(tuple(p.detach().requires_grad_() for p in enc))
    init = "xavier" if model.init == "glorot4" else model.init
    top = layer(len(model.units), 0, sizes[-1], 2, init)
    # Only the softmax starts anew when the encoders are kept
    stack = [*encoders, top]

    def cross_entropy(rows):
        h = X_t[rows]
        for w, b in encoders:
            h = torch.sigmoid(h @ w.T + b)
        logits = h @ top[0].T + top[1]
        penalty = sum((w**2).sum() for w, _ in stack)
        return (
            torch.nn.functional.cross_entropy(logits, y_t[rows]) + 2 * model.weight_decay * penalty
        )

    run(
        [p for pair in stack for p in pair],
        cross_entropy,
        len(model.units),
        model.steps,
        model.learning_rate,
    )
    phase_weights.extend(w.detach().numpy() for w, _ in stack)
    return phase_weights


@pytest.mark.parametrize(
    "changes",
    [
        {"weight_decay": 1e-4, "beta": 0.05},
        {"weight_decay": 0.0, "optimiser": "adamw", "schedule": "one_cycle", "learning_rate": 0.01},
    ],
)
def test_training_follows_automatic_differentiation(changes):
    X, y = data(500)
    model = StackedAutoencoder(
        units=(7, 5),
        pretrain_steps=30,
        steps=60,
        batch_size=32,
        init="glorot4",
        random_state=5,
        **changes,
    ).fit(X, y)
    for got, want in zip(model.weights_, torch_replica(model, X, y), strict=True):
        np.testing.assert_allclose(got, want, atol=2e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"beta": 0.5, "weight_decay": 1e-4},
        {"optimiser": "adamw", "schedule": "one_cycle", "learning_rate": 0.01},
        {"activation": "tanh", "beta": 0, "init": "xavier", "learning_rate": 0.1},
        {"activation": "relu", "beta": 0, "init": "xavier", "learning_rate": 0.1},
        {"batch_size": "full", "steps": 5, "pretrain_steps": 4, "beta": 0.5},
    ],
)
def test_steps_in_torch_end_where_the_kernels_end(changes, monkeypatch):
    monkeypatch.setattr(autoencoder_torch, "_ROWS", 300)  # a full batch is then made of parts
    X, y = data(800)
    settings = {**QUICK, "check_every": 50, "patience": 2, **changes}
    models = [StackedAutoencoder(**settings, random_state=k) for k in range(3)]
    members = [m._members(*m._training_rows(X, y), None, (X[:99], y[:99]))[0] for m in models]
    training.train(members, together=autoencoder_torch.TorchSteps("cpu").run)
    for model, member in zip(models, members, strict=True):
        fit_members([model], [X], [y], monitor=[(X[:99], y[:99])])
        np.testing.assert_allclose(member.theta, model.networks_[0].theta, atol=1e-4)
        for name, curve in model.curves_.items():
            got = np.concatenate(member.curves[name])
            np.testing.assert_allclose(got[:, :2], curve[:, :2], rtol=5e-3, atol=1e-4)


def test_torch_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(1)
    plan = autoencoder_plan(3, (4, 6), "sigmoid")
    theta, X = random_stack(plan, rng), rng.random((40, 3))
    stack = autoencoder_torch._Stack(
        plan, 1, kernels.RECONSTRUCTION, np.array([0.1, 0.7, 1.0, 0.0], np.float32)
    )
    stack.rho, stack.beta = 0.1, 0.7
    rows = [torch.from_numpy(X)]
    index = [torch.arange(40)]
    got, loss, _ = stack.gradient(torch.from_numpy(theta)[None], rows, rows, index, True)

    def reference(t):
        return reference_loss(t, plan, 1, ["sigmoid"] * 3, X, None, 0.1, 0.7, 0, 1.0)

    np.testing.assert_allclose(
        got[0].numpy(), numeric_gradient(reference, theta, plan, 1), atol=1e-8
    )
    assert loss[0] == pytest.approx(reference(theta), rel=1e-12)


def test_bfloat16_prediction_is_near_and_says_how_near():
    X, y = data(6000)
    model = StackedAutoencoder(**{**QUICK, "steps": 2000}, random_state=0).fit(X, y)
    exact = model.predict_proba(X)
    threads = torch.get_num_threads()
    fast = StackedAutoencoder.from_arrays(
        model.arrays(), {**model.get_params(), "precision": "bfloat16"}
    )
    p = fast.predict_proba(X)
    assert torch.get_num_threads() == threads
    largest, root_mean_square = fast.precision_error(X)
    assert largest == pytest.approx(np.abs(p - exact).max())
    assert 0 < root_mean_square < 0.02
    assert model.precision_error(X) == (0, 0)
    some = np.random.default_rng(0).permutation(6000)[:777]
    np.testing.assert_array_equal(fast.predict_proba(X[some]), p[some])


def test_bfloat16_rounding_is_that_of_torch():
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(0, 5, 5000), [0.0, -0.0, 1e30, -1e30]])
    rounded = torch.from_numpy(z.astype(np.float32)).bfloat16()
    bits = rounded.view(torch.int16).numpy().view(np.uint16).reshape(1, -1).copy()
    bias = rng.normal(size=z.size).astype(np.float32)
    autoencoder_torch._activate_bfloat16(bits, bias, kernels.LINEAR)
    want = (rounded.float() + torch.from_numpy(bias)).bfloat16().view(torch.int16).numpy()
    np.testing.assert_array_equal(bits[0], want.view(np.uint16))


def test_a_card_that_is_not_there_is_named():
    if autoencoder_torch.cuda_is_there():
        assert StackedAutoencoder(device="cuda")._device() == "cuda"
    else:
        with pytest.raises(InputError, match="cuda"):
            StackedAutoencoder(device="cuda").fit(*data(100))
    assert StackedAutoencoder(device="cpu")._device() == "cpu"
