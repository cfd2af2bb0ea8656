"""The autoencoder's present-day parts: dropout, balanced batches, z σ(z), mean log-odds."""

import numpy as np
import pytest

from shakeslide.core.errors import InputError
from shakeslide.models import StackedAutoencoder, fit_members
from shakeslide.models.sae import modern
from shakeslide.models.sae import sae_kernels as kernels
from shakeslide.models.sae import sae_training as training
from shakeslide.models.sae.sae_network import classifier_plan

from .networks import assert_same, data, numeric_gradient, random_stack

BRIEF = {
    **StackedAutoencoder.modern(units=(12, 8), steps=300, batch_size=64).get_params(),
    "activation": "silu",
    "beta": 0,
    "dropout": 0.1,
    "input_dropout": 0.05,
    "members": 1,
    "random_state": 0,
}


def test_the_settings_apart_from_the_class_are_those_of_the_class() -> None:
    own = StackedAutoencoder.modern().get_params()
    del own["random_state"]
    assert dict(modern.WHOLE) == own


@pytest.mark.parametrize("activation", ["silu", "sigmoid"])
def test_gradient_with_dropout_is_that_of_finite_differences(activation):
    rng = np.random.default_rng(0)
    plan = classifier_plan(3, (5, 4), activation)
    theta, X = random_stack(plan, rng), rng.random((20, 3))
    y, index = rng.integers(0, 2, 20).astype(float), np.arange(20)
    dropout = kernels.Dropout(0.2, 0.4, np.uint64(7))
    task = kernels.Task(0, kernels.CROSS_ENTROPY, np.array([0.05, 0, 1, 0]), dropout)

    def step(parameters, number=3):
        net = kernels.Net(parameters, plan)
        work = kernels.workspace(net, 20)
        rows = kernels.Rows(X, index, 0, 20)
        batch = kernels.Batch(y, 20, np.empty(0), number)
        value, _, _ = kernels.add_gradient(net, task, rows, batch, work, True)
        return value / 20, work.grad

    want = numeric_gradient(lambda t: step(t)[0], theta, plan, 0)
    np.testing.assert_allclose(step(theta)[1], want, atol=1e-8)
    # Another step loses others.
    assert np.abs(step(theta, 4)[1] - want).max() > 1e-3


def dropped(rows, share, key=5):
    """Ones, (40 units, len(rows)), of which a share is left out."""
    h, slopes = np.ones((40, len(rows)), np.float32), np.full((40, len(rows)), 2, np.float32)
    taken = kernels.Rows(np.empty((0, 0), np.float32), np.array(rows), 0, len(rows))
    kernels._drop(h, slopes, 40, taken, share, np.uint64(key))
    np.testing.assert_array_equal(slopes, 2 * h)
    return h


def test_dropout_leaves_the_mean_and_depends_on_the_row_alone():
    h = dropped(range(2000), 0.3)
    assert h.mean() == pytest.approx(1, abs=0.01)
    assert (h == 0).mean() == pytest.approx(0.3, abs=0.01)
    # Neither units nor rows are left out together.
    assert np.abs(np.corrcoef(h)[np.triu_indices(40, 1)]).max() < 0.12
    np.testing.assert_array_equal(dropped([17, 3, 1999], 0.3), h[:, [17, 3, 1999]])
    assert (dropped(range(2000), 0.3, key=6) != h).mean() > 0.3


def test_balanced_batches_take_half_of_either_class_and_all_rows_alike():
    y = np.array([0] * 30 + [1] * 7, np.float32)
    order = training.BalancedOrder(1, 0, y, 11)
    drawn = order.rows(0, 42).reshape(42, 11)
    assert (y[drawn].sum(axis=1) == 5).all()
    times = np.bincount(drawn.ravel(), minlength=37)
    assert set(times[:30]) <= {8, 9}  # 42 × 6 of 30 rows
    assert set(times[30:]) == {30}  # 42 × 5 of 7 rows
    again = training.BalancedOrder(1, 0, y, 11)
    np.testing.assert_array_equal(again.rows(13, 20), drawn[13:20].ravel())
    assert (training.BalancedOrder(2, 0, y, 11).rows(0, 42) != drawn.ravel()).any()


def test_balanced_batches_leave_the_probabilities_at_the_balance_of_the_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2)).astype(np.float32)
    y = (rng.random(4000) < 0.1).astype(int)
    p = StackedAutoencoder(**BRIEF).fit(X, y).predict_proba(X)[:, 1]
    assert p.mean() == pytest.approx(y.mean(), abs=0.02)


def test_members_predict_the_mean_of_their_log_odds():
    X, y = data(400)
    ensemble = StackedAutoencoder(**{**BRIEF, "members": 3, "steps": 60}).fit(X, y)
    told = [StackedAutoencoder(**{**BRIEF, "steps": 60, "random_state": s}).fit(X, y)
            for s in ensemble.seeds_]  # fmt: skip
    p = np.stack([m.predict_proba(X)[:, 1] for m in told])
    mean = np.log(p / (1 - p)).mean(axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(X)[:, 1], 1 / (1 + np.exp(-mean)), rtol=1e-9)
    assert np.abs(p.mean(axis=0) - 1 / (1 + np.exp(-mean))).max() > 1e-6
    again = StackedAutoencoder.from_arrays(ensemble.arrays(), ensemble.get_params())
    np.testing.assert_array_equal(again.predict_proba(X), ensemble.predict_proba(X))
    # A row is predicted alike in any company.
    np.testing.assert_array_equal(again.predict_proba(X[5:18]), ensemble.predict_proba(X)[5:18])


def test_threads_change_no_bit_and_training_goes_on_where_it_stood(tmp_path, monkeypatch):
    X, y = data(500)
    settings = {**BRIEF, "members": 2, "steps": 600}
    whole = StackedAutoencoder(**settings).fit(X, y)
    both = StackedAutoencoder(**settings)
    fit_members([both], [X], [y], threads=2)
    assert_same(whole, both)
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", -1.0)

    class Stopped(Exception):
        pass

    def stop(done, total):
        if done >= 250:
            raise Stopped

    stopped = StackedAutoencoder(**settings)
    with pytest.raises(Stopped):
        fit_members([stopped], [X], [y], stop, checkpoint=tmp_path, threads=1)
    seen = []
    fit_members([stopped], [X], [y], lambda done, _: seen.append(done), checkpoint=tmp_path)
    assert_same(whole, stopped)
    assert seen[0] > 250


def test_a_full_batch_loses_the_same_units():
    X, y = data(training._LARGE + 100)
    settings = {**BRIEF, "steps": 3, "batch_size": "full", "balanced": False}
    small = StackedAutoencoder(**{**settings, "batch_size": len(X)})
    large = StackedAutoencoder(**settings)
    limit = training._LARGE
    try:
        training._LARGE = 2 * limit
        small.fit(X, y)
    finally:
        training._LARGE = limit
    large.fit(X, y)
    for a, b in zip(small.weights_, large.weights_, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"device": "cuda"}, "device"),
        ({"dropout": 1.0}, "dropout"),
        ({"batch_size": 1}, "balanced"),
        ({"head": "svm"}, "average"),
        ({"average": "median"}, "average"),
        ({"beta": 0.1, "activation": "silu", "pretrain_steps": 9}, "beta"),
    ],
)
def test_impossible_settings_are_named(change, named):
    with pytest.raises(InputError, match=named) as caught:
        StackedAutoencoder(**{**BRIEF, **change}).fit(*data(100))
    assert "\n" not in str(caught.value)


def test_normal_scores_are_taken_as_they_are_and_a_raw_table_is_scaled():
    X, y = data(200)
    assert StackedAutoencoder(**{**BRIEF, "steps": 5}).fit(6 * X - 3, y).limits_ is None
    with pytest.warns(UserWarning, match="scaled"):
        model = StackedAutoencoder(**{**BRIEF, "steps": 5}).fit(1000 * X, y)
    assert model.limits_ is not None


@pytest.mark.parametrize(("rows", "steps"), [(64, 10), (128, 20), (4096, 300)])
def test_few_rows_are_passed_over_at_most_so_often(rows: int, steps: int) -> None:
    X = np.random.default_rng(3).normal(size=(rows, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    model = StackedAutoencoder.modern(
        units=(4,), steps=300, passes=10, batch_size=64, members=1, random_state=0
    ).fit(X, y)
    assert model.curves_["fine_tuning"][-1, 0] == steps - 1


def test_passes_alone_decide_where_steps_are_many() -> None:
    X = np.random.default_rng(4).normal(size=(64, 3)).astype(np.float32)
    how = {"units": (4,), "batch_size": 64, "members": 1, "random_state": 0}
    y = (X[:, 0] > 0).astype(int)
    capped = StackedAutoencoder.modern(steps=300, passes=10, **how).fit(X, y)
    short = StackedAutoencoder.modern(steps=10, passes=None, **how).fit(X, y)
    for one, other in zip(capped.weights_, short.weights_, strict=True):
        assert one.tobytes() == other.tobytes()
