"""The stacked autoencoder against closed forms and independent code."""

import runpy
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.naive_bayes import GaussianNB

from shakeslide.core.errors import InputError
from shakeslide.models import StackedAutoencoder, fit_members
from shakeslide.models.bayes import GaussianNaiveBayes
from shakeslide.models.sae import autoencoder
from shakeslide.models.sae import sae_kernels as kernels
from shakeslide.models.sae import sae_training as training
from shakeslide.models.sae.sae_network import (
    autoencoder_plan,
    bias_view,
    classifier_plan,
    weight_view,
)

from .networks import (
    ACTIVATE,
    QUICK,
    assert_same,
    data,
    gradient,
    numeric_gradient,
    random_stack,
    reference_loss,
    weights_of,
)

PRECISION = pytest.mark.parametrize(
    ("dtype", "error"),
    [(np.float32, 2e-6), pytest.param(np.float64, 1e-8, marks=pytest.mark.slow)],
)
"""Networks are of float32; float64 shows more digits, and its kernels take long to compile."""


@pytest.mark.slow
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
@PRECISION
def test_reconstruction_gradient_is_that_of_finite_differences(beta, scale, dtype, error):
    rng = np.random.default_rng(1)
    plan = autoencoder_plan(3, (4, 6), "sigmoid")  # the second autoencoder on a frozen first
    theta, X = random_stack(plan, rng).astype(dtype), rng.random((40, 3)).astype(dtype)
    settings = np.array([0.1, beta, scale, 0.0])
    got = gradient(theta, plan, 1, kernels.RECONSTRUCTION, X, np.zeros(40), settings)
    want = numeric_gradient(
        lambda t: reference_loss(t, plan, 1, ["sigmoid"] * 3, X, None, 0.1, beta, 0, scale),
        theta,
        plan,
        1,
    )
    np.testing.assert_allclose(got, want, atol=error)


@PRECISION
def test_penalty_enters_descent_as_four_lambda_w(dtype, error):
    rng = np.random.default_rng(2)
    plan = classifier_plan(3, (4,), "sigmoid")
    theta = random_stack(plan, rng).astype(dtype)
    lam, rate = 0.01, 0.3
    stepped = theta.copy()
    settings = np.array([0.05, 0, 1, 4 * lam], dtype)
    kernels.update(
        kernels.Net(stepped, plan),
        kernels.Task(0, kernels.CROSS_ENTROPY, settings),
        np.zeros_like(theta),
        kernels.Step(kernels.SGD, dtype(rate), 0, np.zeros((2, 0), dtype)),
    )
    want = numeric_gradient(
        lambda t: 2 * lam * sum((weight_view(t, plan, k) ** 2).sum() for k in range(2)),
        theta,
        plan,
        0,
    )
    np.testing.assert_allclose((theta - stepped) / rate, want, atol=error)


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


@PRECISION
def test_blocks_add_up_to_the_gradient_of_the_whole(dtype, error):
    rng = np.random.default_rng(3)
    plan = autoencoder_plan(3, (5,), "sigmoid")
    theta = random_stack(plan, rng).astype(dtype)
    X = rng.random((kernels.BLOCK * 2 + 77, 3)).astype(dtype)
    settings = np.array([0.1, 0.5, 1.0, 0.0], dtype)
    index = np.arange(len(X))
    net = kernels.Net(theta, plan)
    work = kernels.workspace(net, len(X))
    sums = kernels.activation_sums(net, kernels.Rows(X, index, 0, len(X)), work.acts, 1)
    slopes = kernels.sparsity_slopes((sums / len(X)).astype(dtype), len(X), settings)
    y = np.zeros(len(X), dtype)
    got = gradient(theta, plan, 0, kernels.RECONSTRUCTION, X, y, settings, slopes)
    rho_hat = ACTIVATE["sigmoid"](X @ weight_view(theta, plan, 0).T + bias_view(theta, plan, 0))
    np.testing.assert_allclose(sums / len(X), rho_hat.mean(axis=0), rtol=100 * np.finfo(dtype).eps)
    want = numeric_gradient(
        lambda t: reference_loss(t, plan, 0, ["sigmoid"] * 2, X, None, 0.1, 0.5, 0, 1),
        theta,
        plan,
        0,
    )
    np.testing.assert_allclose(got, want, atol=error)


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


@pytest.mark.parametrize(
    ("dtype", "error"),
    [(np.float32, 2e-6), pytest.param(np.float64, 1e-12, marks=pytest.mark.slow)],
)
def test_adamw_is_that_of_its_authors(dtype, error):
    rng = np.random.default_rng(0)
    plan = classifier_plan(3, (4,), "sigmoid")
    theta = random_stack(plan, rng).astype(dtype)
    want, m, v = theta.astype(float), np.zeros(theta.size), np.zeros(theta.size)
    moments, decay = np.zeros((2, theta.size), dtype), 0.02
    weights = np.zeros(theta.size)
    for k in range(2):
        weight_view(weights, plan, k)[:] = 1  # biases don't decay
    for step in range(5):
        grad, rate = rng.normal(size=theta.size).astype(dtype) * (theta != 0), 0.1 / (step + 1)
        kernels.update(
            kernels.Net(theta, plan),
            kernels.Task(0, kernels.CROSS_ENTROPY, np.array([0, 0, 1, decay], dtype)),
            grad,
            kernels.Step(kernels.ADAMW, dtype(rate), step, moments),
        )
        grad = grad.astype(float)
        m, v = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad**2
        m_hat, v_hat = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        want = want - rate * decay * weights * want - rate * m_hat / (np.sqrt(v_hat) + 1e-8)
    np.testing.assert_allclose(theta, want, atol=error)


def test_one_cycle_rises_for_three_tenths_and_falls_to_almost_nothing():
    rates = training.learning_rates("one_cycle", 2.0, 1000)
    top = rates.argmax()
    assert rates[0] == pytest.approx(2.0 / 25)
    assert top == 299
    assert rates[top] == pytest.approx(2.0)
    assert rates[-1] == pytest.approx(2.0 / 25 / 1e4)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[149] == pytest.approx((2.0 + 2.0 / 25) / 2, rel=0.01)  # half-way up a cosine
    assert set(training.learning_rates("constant", 2.0, 10)) == {2.0}


@given(st.integers(1, 200), st.integers(1, 50), st.integers(0, 9))
def test_batches_take_every_row_once_an_epoch_in_an_order_of_its_own(rows, batch, seed):
    batch = min(batch, rows)
    per_epoch = rows // batch
    order = training.BatchOrder(seed, 0, rows, batch)
    first, second = (order.rows(k * per_epoch, (k + 1) * per_epoch) for k in range(2))
    for epoch in (first, second):
        assert len(epoch) == per_epoch * batch == len(np.unique(epoch))
    if rows > 20 and batch < rows:
        assert (first != second).any()
        assert (training.BatchOrder(seed + 1, 0, rows, batch).rows(0, per_epoch) != first).any()
        assert (training.BatchOrder(seed, 1, rows, batch).rows(0, per_epoch) != first).any()
    again = training.BatchOrder(seed, 0, rows, batch)
    middle = per_epoch // 2
    parts = [again.rows(middle, per_epoch + middle)] if middle else [again.rows(0, per_epoch)]
    whole = np.concatenate([first, second])[middle * batch : (per_epoch + middle) * batch]
    np.testing.assert_array_equal(parts[0], whole)


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
    assert ((model.reconstruct(X) - X) ** 2).mean() == pytest.approx(best, rel=1e-3)


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
    worst = [np.abs(model.reconstruct(more) - more).max() for model in (fed, plain)]
    assert worst[0] < worst[1]
    without = {**QUICK, "pretrain_steps": 0, "random_state": 0}
    assert_same(
        StackedAutoencoder(**without).fit(X, y),
        StackedAutoencoder(**without).fit(X, y, unlabelled=more),
    )


def test_ensemble_predicts_the_mean_of_its_members():
    X, y = data()
    ensemble = StackedAutoencoder(**QUICK, members=3, random_state=4).fit(X, y)
    alone = [StackedAutoencoder(**QUICK, random_state=s).fit(X, y) for s in ensemble.seeds_]
    p = np.stack([m.predict_proba(X)[:, 1] for m in alone])
    np.testing.assert_allclose(ensemble.predict_proba(X)[:, 1], p.mean(axis=0), rtol=1e-12)
    assert p.std(axis=0).max() > 0


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


@pytest.mark.slow
def test_killed_training_resumes_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)
    script = tmp_path / "train.py"
    script.write_text(KILLED.replace("import sys\n", SOON, 1))
    kept = tmp_path / "checkpoint"

    def run(checkpoint, result):
        monkeypatch.setattr(sys, "argv", [str(script), checkpoint, str(result)])
        runpy.run_path(str(script))
        return np.load(result)

    for part in (0.3, 0.7):
        arguments = [sys.executable, str(script), str(kept), str(tmp_path / "never.npz")]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        first = int(process.stdout.readline())
        for line in process.stdout:
            if int(line) > part * 12_000:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert not (tmp_path / "never.npz").exists()
        assert part < 0.5 or first > 0.2 * 12_000  # it went on, not anew
    whole, resumed = run("", tmp_path / "whole.npz"), run(str(kept), tmp_path / "resumed.npz")
    assert whole.files == resumed.files
    for name in whole.files:
        np.testing.assert_array_equal(whole[name], resumed[name])


# States are stored at every occasion, so that a short training meets several
SOON = """import sys
from shakeslide.models.sae import sae_training
sae_training._CHECKPOINT_SECONDS = 0.0
"""


def test_state_of_another_training_is_left_aside(tmp_path):
    X, y = data(500)
    first = StackedAutoencoder(**QUICK, random_state=0)
    fit_members([first], [X], [y], checkpoint=tmp_path)
    finished = (tmp_path / "member_1.safetensors").read_bytes()
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
    assert [path.name for path in tmp_path.iterdir()] == ["member_1.safetensors"]


def test_missing_pytorch_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "shakeslide.models.sae.autoencoder_torch", raising=False)
    X, y = data(100)
    StackedAutoencoder(**QUICK).fit(X, y)
    with pytest.raises(InputError, match="pip install torch"):
        StackedAutoencoder(**QUICK, device="cuda").fit(X, y)
    with pytest.raises(InputError, match="pip install torch"):
        StackedAutoencoder(**QUICK, precision="bfloat16").fit(X, y).predict(X)


def raw_table():
    """Elevations, slopes and azimuths, of which the first two decide."""
    rng = np.random.default_rng(2)
    unit = rng.random((600, 3)).astype(np.float32)
    unit[:2] = [[0] * 3, [1] * 3]
    return unit, ((unit[:, 0] + unit[:, 1]) > 1).astype(int)


def test_a_raw_table_is_scaled_and_said():
    unit, y = raw_table()
    raw = unit * np.float32([4096, 64, 512]) - np.float32([1024, 0, 0])
    settings = {"units": (8,), "steps": 400, "pretrain_steps": 20, "batch_size": 64}
    with pytest.warns(UserWarning, match="from -1024 to 3072 are scaled") as caught:
        model = StackedAutoencoder(**settings, random_state=0).fit(raw, y)
    # The warning names the caller's line.
    assert [warning.filename for warning in caught] == [__file__]
    plain = StackedAutoencoder(**settings, random_state=0).fit(unit, y)
    assert plain.limits_ is None
    assert "limits" not in plain.arrays()
    p = model.predict_proba(raw)
    np.testing.assert_allclose(p, plain.predict_proba(unit), atol=1e-4)
    assert np.mean(model.predict(raw) == y) > 0.85
    again = StackedAutoencoder.from_arrays(model.arrays(), model.get_params())
    assert (again.predict_proba(raw) == p).all()
    # Beyond what was seen it is as at the end of it.
    assert (model.predict_proba(raw[1:2] * 100) == model.predict_proba(raw[1:2])).all()
    wrong = {**model.arrays(), "limits": np.zeros((2, 2), np.float32)}
    with pytest.raises(InputError, match="limits"):
        StackedAutoencoder.from_arrays(wrong, model.get_params())


def test_each_member_is_trained_on_the_device_that_it_asks_for(monkeypatch):
    def device(model):
        return model.device

    class Card:
        """A graphics processor that is not there."""

        def __init__(self, _device):
            self.run = "on the card"

    trained, steps = [], []

    def train(members, callback, threads, save, together):
        trained.append(([m.settings.device for m in members], together))
        save(0, members[0])
        callback(0, 1)

    monkeypatch.setattr(StackedAutoencoder, "_device", device)
    monkeypatch.setattr(StackedAutoencoder, "_take", lambda *_: None)
    monkeypatch.setattr(autoencoder, "_torch", lambda: SimpleNamespace(TorchSteps=Card))
    monkeypatch.setattr(autoencoder.training, "train", train)
    saved = []
    monkeypatch.setattr(
        autoencoder, "_resumed", lambda members, _: lambda k, m: saved.append(members[k] is m)
    )
    X, y = data(100)
    models = [StackedAutoencoder(**QUICK, device=d) for d in ("cpu", "cuda", "cpu")]
    fit_members(models, [X] * 3, [y] * 3, lambda *at: steps.append(at), checkpoint=".")
    assert trained == [(["cuda"], "on the card"), (["cpu", "cpu"], None)]
    assert saved == [True, True]
    assert len({of for _, of in steps}) == 1
