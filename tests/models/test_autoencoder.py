"""The stacked autoencoder against closed forms and independent code."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.naive_bayes import GaussianNB

from shakeslide.errors import InputError
from shakeslide.models import StackedAutoencoder, fit_members
from shakeslide.models import sae_kernels as kernels
from shakeslide.models import sae_training as training
from shakeslide.models.bayes import GaussianNaiveBayes
from shakeslide.models.sae_network import (
    autoencoder_plan,
    bias_view,
    classifier_plan,
    parameter_count,
    weight_view,
)

try:
    import torch

    from shakeslide.models import autoencoder_torch
except ModuleNotFoundError:
    torch = autoencoder_torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="needs torch, which is optional")

ACTIVATE = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
}


def reference_loss(theta, plan, first, kinds, X, y, rho, beta, decay, scale):
    """J, or cross-entropy and penalty, in plain numpy; `decay` is lambda."""
    h = X
    below = X
    layers = range(len(plan))
    for k in layers:
        if k == first:
            below = h
        h = ACTIVATE[kinds[k]](h @ weight_view(theta, plan, k).T + bias_view(theta, plan, k))
        if k == first:
            rho_hat = h.mean(axis=0)
    penalty = (
        2 * decay * sum((weight_view(theta, plan, k) ** 2).sum() for k in layers if k >= first)
    )
    if y is not None:
        log_p = h - np.logaddexp(h[:, :1], h[:, 1:])
        return -log_p[np.arange(len(y)), y.astype(int)].mean() + penalty
    kl = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))
    sparsity = beta * kl.sum() if beta else 0.0
    return scale * ((below - h) ** 2).sum() / (2 * len(X)) + penalty + sparsity


def gradient(theta, plan, first, loss, X, y, settings, slopes=None):
    n = len(X)
    grad = np.zeros_like(theta)
    work = kernels.workspace(plan, n, theta)
    slopes = np.empty(0, theta.dtype) if slopes is None else slopes
    index = np.arange(n)
    kernels.add_gradient(
        theta, plan, first, loss, X, y, index, 0, n, n, slopes, settings, grad, work, False, True
    )
    return grad


def random_stack(plan, rng):
    theta = np.zeros(parameter_count(plan))
    for k in range(len(plan)):
        weight_view(theta, plan, k)[:] = rng.normal(0, 0.6, weight_view(theta, plan, k).shape)
        bias_view(theta, plan, k)[:] = rng.normal(0, 0.3, bias_view(theta, plan, k).shape)
    return theta


def numeric_gradient(f, theta, plan, first):
    grad = np.zeros_like(theta)
    step = 1e-6
    marks = np.zeros_like(theta)
    for k in range(first, len(plan)):
        weight_view(marks, plan, k)[:] = 1
        bias_view(marks, plan, k)[:] = 1
    for i in np.flatnonzero(marks):
        up, down = theta.copy(), theta.copy()
        up[i] += step
        down[i] -= step
        grad[i] = (f(up) - f(down)) / (2 * step)
    return grad


@pytest.mark.parametrize("activation", list(ACTIVATE))
def test_cross_entropy_gradient_is_that_of_finite_differences(activation):
    rng = np.random.default_rng(0)
    plan = classifier_plan(3, (5, 4), activation)
    theta, X = random_stack(plan, rng), rng.random((30, 3))
    y = rng.integers(0, 2, 30).astype(float)
    kinds = [activation, activation, "linear"]
    settings = np.array([0.05, 0.0, 1.0, 0.0])
    got = gradient(theta, plan, 0, kernels.CROSS_ENTROPY, X, y, settings)
    want = numeric_gradient(
        lambda t: reference_loss(t, plan, 0, kinds, X, y, 0, 0, 0, 1), theta, plan, 0
    )
    np.testing.assert_allclose(got, want, atol=1e-8)


@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_reconstruction_gradient_is_that_of_finite_differences(beta, scale):
    rng = np.random.default_rng(1)
    plan = autoencoder_plan(3, (4, 6), "sigmoid")  # the second autoencoder on a frozen first
    theta, X = random_stack(plan, rng), rng.random((40, 3))
    settings = np.array([0.1, beta, scale, 0.0])
    got = gradient(theta, plan, 1, kernels.RECONSTRUCTION, X, np.zeros(40), settings)
    want = numeric_gradient(
        lambda t: reference_loss(t, plan, 1, ["sigmoid"] * 3, X, None, 0.1, beta, 0, scale),
        theta,
        plan,
        1,
    )
    np.testing.assert_allclose(got, want, atol=1e-8)


def test_penalty_enters_descent_as_four_lambda_w():
    rng = np.random.default_rng(2)
    plan = classifier_plan(3, (4,), "sigmoid")
    theta = random_stack(plan, rng)
    lam, rate = 0.01, 0.3
    stepped = theta.copy()
    settings = np.array([0.05, 0, 1, 4 * lam])
    kernels.update(
        stepped, np.zeros_like(theta), plan, 0, kernels.SGD, rate, 0, np.zeros((2, 0)), settings
    )
    want = numeric_gradient(
        lambda t: 2 * lam * sum((weight_view(t, plan, k) ** 2).sum() for k in range(2)),
        theta,
        plan,
        0,
    )
    np.testing.assert_allclose((theta - stepped) / rate, want, atol=1e-8)


def test_sparsity_term_has_its_closed_form_and_is_clamped():
    rho_hat = np.array([0.05, 0.2, 0.9])
    rho = 0.05
    want = (rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))).sum()
    assert kernels.sparsity_penalty(rho_hat, rho) == pytest.approx(want, rel=1e-12)
    assert kernels.sparsity_penalty(np.array([rho]), rho) == pytest.approx(0, abs=1e-15)
    settings = np.array([rho, 3.0, 1.0, 0.0])
    slopes = kernels.sparsity_slopes(rho_hat, 10, settings)
    np.testing.assert_allclose(
        slopes, 3.0 / 10 * (-rho / rho_hat + (1 - rho) / (1 - rho_hat)), rtol=1e-12
    )
    ends = np.array([0.0, 1.0])
    assert np.isfinite(kernels.sparsity_penalty(ends, rho))
    assert np.isfinite(kernels.sparsity_slopes(ends, 10, settings)).all()


def test_blocks_add_up_to_the_gradient_of_the_whole():
    rng = np.random.default_rng(3)
    plan = autoencoder_plan(3, (5,), "sigmoid")
    theta, X = random_stack(plan, rng), rng.random((kernels.BLOCK * 2 + 77, 3))
    settings = np.array([0.1, 0.5, 1.0, 0.0])
    index = np.arange(len(X))
    work = kernels.workspace(plan, len(X), theta)
    sums = kernels.activation_sums(theta, plan, 1, X, index, 0, len(X), work[0])
    slopes = kernels.sparsity_slopes(sums / len(X), len(X), settings)
    y = np.zeros(len(X))
    got = gradient(theta, plan, 0, kernels.RECONSTRUCTION, X, y, settings, slopes)
    rho_hat = ACTIVATE["sigmoid"](X @ weight_view(theta, plan, 0).T + bias_view(theta, plan, 0))
    np.testing.assert_allclose(sums / len(X), rho_hat.mean(axis=0), rtol=1e-12)
    want = numeric_gradient(
        lambda t: reference_loss(t, plan, 0, ["sigmoid"] * 2, X, None, 0.1, 0.5, 0, 1),
        theta,
        plan,
        0,
    )
    np.testing.assert_allclose(got, want, atol=1e-8)


def test_single_precision_sigmoid_is_accurate_everywhere():
    z = np.concatenate([np.linspace(-80, 80, 400_001), [-1e30, 1e30, 0.0]]).astype(np.float32)
    out = z[np.newaxis].copy()
    kernels._activate(out, np.zeros(1, np.float32), 1, kernels.SIGMOID)
    with np.errstate(over="ignore"):
        want = 1 / (1 + np.exp(-z.astype(float)))
    assert np.abs(out[0] - want).max() < 1.2e-7
    inner = np.abs(z) < 20
    relative = np.abs(out[0] - want)[inner] / want[inner]
    assert relative.max() < 2e-6  # small activations too
    assert out.min() >= 0
    assert out.max() <= 1


def data(n=2000, features=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, features)).astype(np.float32)
    return X, ((X[:, 0] > 0.5) != (X[:, 1] > 0.5)).astype(int)


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


@needs_torch
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


QUICK = {"units": (12, 8), "pretrain_steps": 40, "steps": 150, "batch_size": 64, "init": "glorot4"}


def weights_of(model):
    return [np.array(a) for n in model.networks_ for a in (*n.weights, *n.biases)]


def assert_same(a, b):
    for x, y in zip(weights_of(a), weights_of(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_members_together_equal_each_alone(threads):
    sets = [data(n, seed=n) for n in (900, 1000, 1100)]
    together = [StackedAutoencoder(**QUICK, random_state=k) for k in range(3)]
    seen = []
    fit_members(
        together,
        *zip(*sets, strict=True),
        callback=lambda d, t: seen.append((d, t)),
        threads=threads,
    )
    for k, (X, y) in enumerate(sets):
        assert_same(together[k], StackedAutoencoder(**QUICK, random_state=k).fit(X, y))
    assert seen[-1] == (3 * (2 * 40 + 150),) * 2
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)


def test_full_batch_has_the_same_bits_whatever_the_threads():
    X, y = data(9000)
    settings = {**QUICK, "batch_size": "full", "steps": 4, "pretrain_steps": 3}
    results = []
    for threads in (1, 2, 3):
        model = StackedAutoencoder(**settings, random_state=0)
        fit_members([model], [X], [y], threads=threads)
        results.append(model)
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])
    assert len(results[0].curves_["fine_tuning"]) == 4


def test_full_batch_equals_one_batch_of_all_rows():
    X, y = data(training._LARGE)  # the last size that one thread computes
    X = np.concatenate([X, X[:0]])
    settings = {**QUICK, "steps": 5, "pretrain_steps": 5, "beta": 0.5}
    small = StackedAutoencoder(**{**settings, "batch_size": len(X)}, random_state=0).fit(X, y)
    limit = training._LARGE
    try:
        training._LARGE = 10
        large = StackedAutoencoder(**{**settings, "batch_size": "full"}, random_state=0).fit(X, y)
    finally:
        training._LARGE = limit
    for a, b in zip(weights_of(small), weights_of(large), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
    for name, curve in small.curves_.items():
        np.testing.assert_allclose(large.curves_[name], curve, rtol=1e-4, atol=1e-5)


def test_linear_autoencoder_recovers_the_error_of_principal_components():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 6)) + 0.1 * rng.normal(size=(400, 6))
    X = (X - X.mean(0)) / 4
    model = StackedAutoencoder(
        units=(2,),
        activation="linear",
        beta=0,
        weight_decay=0,
        pretrain_steps=6000,
        steps=0,
        batch_size="full",
        learning_rate=1.0,
        random_state=0,
    ).fit(X, np.arange(400) % 2)
    pca = PCA(2).fit(X)
    best = ((X - pca.inverse_transform(pca.transform(X))) ** 2).mean()
    assert (model.reconstruction_error(X) ** 2).mean() == pytest.approx(best, rel=1e-3)


def test_strong_sparsity_draws_mean_activation_to_rho():
    X, y = data()
    settings = {**QUICK, "units": (20,), "steps": 0, "pretrain_steps": 3000}
    sparse = StackedAutoencoder(**settings, beta=3.0, rho=0.1, random_state=0).fit(X, y)
    free = StackedAutoencoder(**settings, beta=0.0, random_state=0).fit(X, y)
    assert np.abs(sparse.mean_activation_[0] - 0.1).max() < 0.03
    assert np.abs(free.mean_activation_[0] - 0.1).max() > 0.2
    np.testing.assert_allclose(
        sparse.mean_activation_[0], sparse.transform(X, layer=1).mean(axis=0), rtol=1e-4
    )


def test_early_stopping_keeps_the_best_weights_and_spares_steps():
    X, y = data(600)
    y = np.where(np.random.default_rng(0).random(600) < 0.3, 1 - y, y)  # something to overfit
    model = StackedAutoencoder(
        **{**QUICK, "units": (60, 60), "steps": 20_000, "optimiser": "adamw"},
        learning_rate=0.01,
        early_stopping=True,
        check_every=50,
        patience=5,
        random_state=0,
    ).fit(X, y)
    looks = model.curves_["validation"]
    assert looks[-1, 0] < 20_000
    best = looks[:, 1].argmin()
    assert looks[-1, 0] - looks[best, 0] == 5 * 50
    shorter = StackedAutoencoder(**{**model.get_params(), "patience": 10**6})
    shorter.set_params(steps=int(looks[best, 0])).fit(X, y)
    assert_same(model, shorter)


def test_watching_rows_changes_nothing():
    X, y = data()
    plain, watched = (StackedAutoencoder(**QUICK, check_every=50, random_state=0) for _ in range(2))
    plain.fit(X, y)
    fit_members([watched], [X], [y], monitor=[(X[:500], y[:500])])
    assert_same(plain, watched)
    curve = watched.curves_["monitor"]
    assert curve[:, 0].tolist() == [50, 100, 150]
    assert curve[-1, 2] == pytest.approx(watched.score(X[:500], y[:500]))


def test_unlabelled_rows_take_part_in_pretraining_only():
    X, y = data()
    more = np.full((3000, 4), 0.25, dtype=np.float32)
    settings = {**QUICK, "steps": 0, "pretrain_steps": 500, "random_state": 0}
    plain = StackedAutoencoder(**settings).fit(X, y)
    fed = StackedAutoencoder(**settings).fit(X, y, unlabelled=more)
    assert fed.reconstruction_error(more).max() < plain.reconstruction_error(more).max()
    without = {**QUICK, "pretrain_steps": 0, "random_state": 0}
    assert_same(
        StackedAutoencoder(**without).fit(X, y),
        StackedAutoencoder(**without).fit(X, y, unlabelled=more),
    )


def test_ensemble_predicts_mean_and_deviation_of_its_members():
    X, y = data()
    ensemble = StackedAutoencoder(**QUICK, members=3, random_state=4).fit(X, y)
    alone = [StackedAutoencoder(**QUICK, random_state=s).fit(X, y) for s in ensemble.seeds_]
    p = np.stack([m.predict_proba(X)[:, 1] for m in alone])
    mean, deviation = ensemble.predict_spread(X)
    np.testing.assert_allclose(mean, p.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation, p.std(axis=0), atol=1e-12)
    np.testing.assert_array_equal(ensemble.predict_proba(X)[:, 1], mean)
    assert deviation.max() > 0
    one = StackedAutoencoder(**QUICK, random_state=4).fit(X, y)
    assert not one.predict_spread(X)[1].any()


@pytest.mark.parametrize("head", ["naive_bayes", "svm"])
def test_heads_tell_classes_apart_on_the_features(head):
    X, y = data(800)
    model = StackedAutoencoder(**{**QUICK, "steps": 3000}, head=head, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    again = StackedAutoencoder.from_arrays(model.arrays(), model.get_params())
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_naive_bayes_equals_scikit_learns():
    X, y = data(500)
    ours, theirs = GaussianNaiveBayes().fit(X, y), GaussianNB().fit(X.astype(float), y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)


def test_layers_compose_and_reconstruction_goes_both_ways():
    X, y = data(500)
    model = StackedAutoencoder(**QUICK, random_state=0).fit(X, y)
    h = X.astype(float)
    for k in (1, 2):
        h = ACTIVATE["sigmoid"](h @ model.weights_[k - 1].T + model.biases_[k - 1])
        np.testing.assert_allclose(model.transform(X, layer=k), h, atol=2e-6)
    logits = h @ model.weights_[2].T + model.biases_[2]
    np.testing.assert_allclose(
        model.predict_proba(X)[:, 1], ACTIVATE["sigmoid"](logits[:, 1] - logits[:, 0]), atol=2e-6
    )
    up, back = X.astype(float), []
    for encoder, encoder_bias, decoder, decoder_bias in model.decoders_:
        up = ACTIVATE["sigmoid"](up @ encoder.T + encoder_bias)
        back.append((decoder, decoder_bias))
    for decoder, bias in reversed(back):
        up = ACTIVATE["sigmoid"](up @ decoder.T + bias)
    np.testing.assert_allclose(model.reconstruct(X, layers=2), up, atol=2e-6)
    with pytest.raises(InputError, match="layers 1 to 2"):
        model.transform(X, layer=3)
    with pytest.raises(InputError, match="2 are pre-trained"):
        model.reconstruct(X, layers=3)


def test_predicting_from_many_threads_gives_the_same_bits():
    X, y = data(20_000)
    model = StackedAutoencoder(**QUICK, random_state=0).fit(X[:1000], y[:1000])
    want = model.predict_proba(X)
    got = {}
    threads = [
        threading.Thread(target=lambda k=k: got.__setitem__(k, model.predict_proba(X[k:])))
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(8):
        np.testing.assert_array_equal(got[k], want[k:])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"activation": "tanh"}, "beta"),
        ({"optimiser": "sdg"}, "Did you mean 'sgd'"),
        ({"rho": 1.5}, "rho"),
        ({"steps": "many"}, "steps"),
        ({"units": ()}, "units"),
        ({"batch_size": "half"}, "batch_size"),
        ({"members": 0}, "members"),
    ],
)
def test_impossible_settings_are_named(change, named):
    with pytest.raises(InputError, match=named):
        StackedAutoencoder(**change).fit(*data(100))


def test_divergence_is_told():
    with pytest.raises(InputError, match="diverged in pretraining_1"):
        StackedAutoencoder(**QUICK, activation="linear", beta=0, learning_rate=90.0).fit(*data(200))


KILLED = """
import sys
import numpy as np
from shakeslide.models import StackedAutoencoder, fit_members
rng = np.random.default_rng(0)
X = rng.random((3000, 6)).astype(np.float32)
y = (X[:, 0] > X[:, 1]).astype(int)
settings = dict(units=(12, 8), pretrain_steps=1000, steps=3000, batch_size=32,
                optimiser="adamw", schedule="one_cycle", learning_rate=3e-3, early_stopping=True,
                patience=1000)
models = [StackedAutoencoder(**settings, random_state=k) for k in range(2)]
where = sys.argv[1] if sys.argv[1] else None
def told(done, total):
    print(done, flush=True)
fit_members(models, [X, X], [y, y], told, checkpoint=where, threads=2)
np.savez(sys.argv[2], *[w for m in models for w in (*m.weights_, *m.curves_.values())])
"""


def test_killed_training_resumes_to_the_same_weights(tmp_path, monkeypatch):
    script = tmp_path / "train.py"
    script.write_text(KILLED.replace("import sys\n", SOON, 1))
    run = [sys.executable, str(script)]
    subprocess.run([*run, "", str(tmp_path / "whole.npz")], check=True, stdout=subprocess.DEVNULL)
    kept = tmp_path / "checkpoint"
    for part in (0.3, 0.7):
        process = subprocess.Popen(
            [*run, str(kept), str(tmp_path / "never.npz")], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        started = None
        for line in process.stdout:
            started = int(line) if started is None else started
            if int(line) > part * 12_000:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert not (tmp_path / "never.npz").exists()
        assert started is not None
        assert part < 0.5 or started > 0.2 * 12_000  # it went on, not anew
    subprocess.run(
        [*run, str(kept), str(tmp_path / "resumed.npz")], check=True, stdout=subprocess.DEVNULL
    )
    whole, resumed = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "resumed.npz")
    assert whole.files == resumed.files
    for name in whole.files:
        np.testing.assert_array_equal(whole[name], resumed[name])


# States are stored at every occasion, so that a short training meets several
SOON = """import sys
from shakeslide.models import sae_training
sae_training._CHECKPOINT_SECONDS = 0.0
"""


def test_state_of_another_training_is_left_aside(tmp_path):
    X, y = data(500)
    first = StackedAutoencoder(**QUICK, random_state=0)
    fit_members([first], [X], [y], checkpoint=tmp_path)
    finished = (tmp_path / "member_1.safetensors").read_bytes()
    start = time.perf_counter()
    again = StackedAutoencoder(**QUICK, random_state=0)
    fit_members([again], [X], [y], checkpoint=tmp_path)
    assert_same(first, again)
    other = StackedAutoencoder(**QUICK, random_state=0)
    fit_members([other], [X], [1 - y], checkpoint=tmp_path)
    assert_same(other, StackedAutoencoder(**QUICK, random_state=0).fit(X, 1 - y))
    assert (tmp_path / "member_1.safetensors").read_bytes() != finished
    (tmp_path / "member_1.safetensors").write_bytes(finished[: len(finished) // 2])
    fit_members([again], [X], [y], checkpoint=tmp_path)
    assert_same(first, again)
    assert time.perf_counter() - start < 60
    assert [path.name for path in tmp_path.iterdir()] == ["member_1.safetensors"]


@needs_torch
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


@needs_torch
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


@needs_torch
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


@needs_torch
def test_bfloat16_rounding_is_that_of_torch():
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(0, 5, 5000), [0.0, -0.0, 1e30, -1e30]])
    rounded = torch.from_numpy(z.astype(np.float32)).bfloat16()
    bits = rounded.view(torch.int16).numpy().view(np.uint16).reshape(1, -1).copy()
    bias = rng.normal(size=z.size).astype(np.float32)
    autoencoder_torch._activate_bfloat16(bits, bias, kernels.LINEAR)
    want = (rounded.float() + torch.from_numpy(bias)).bfloat16().view(torch.int16).numpy()
    np.testing.assert_array_equal(bits[0], want.view(np.uint16))


@needs_torch
def test_a_card_that_is_not_there_is_named():
    if autoencoder_torch.cuda_is_there():
        assert StackedAutoencoder(device="cuda")._device() == "cuda"
    else:
        with pytest.raises(InputError, match="cuda"):
            StackedAutoencoder(device="cuda").fit(*data(100))
    assert StackedAutoencoder(device="cpu")._device() == "cpu"
