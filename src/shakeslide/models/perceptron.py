"""A multilayer perceptron: the network of the stacked autoencoder without its pre-training."""

from __future__ import annotations

from collections.abc import Sequence

from shakeslide.models.sae.autoencoder import StackedAutoencoder


class MultilayerPerceptron(StackedAutoencoder):
    """Plain neural network, trained on the labels alone from Glorot's weights for sigmoids.

    Parameters
    ----------
    units : sequence of int
    weight_decay : float
        λ of the penalty 2λΣ‖W‖².
    steps : int
    learning_rate : float
    batch_size : int or "full"
    optimiser : {"sgd", "adamw"}
    schedule : {"constant", "one_cycle"}
    init : {"xavier", "glorot4", "normal"}
    activation : {"sigmoid", "tanh", "relu", "linear"}
    early_stopping : bool
    validation_fraction : float
    patience, check_every : int
    members : int
    precision : {"float32", "bfloat16"}
    device : {"auto", "cpu", "cuda"}
    random_state : int or None

    See Also
    --------
    StackedAutoencoder : what these parameters and the fitted attributes mean.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.MultilayerPerceptron((8,), steps=500, random_state=0).fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    def __init__(
        self,
        units: Sequence[int] = (110, 110, 110),
        weight_decay: float = 1e-6,
        steps: int = 20_000,
        learning_rate: float = 0.8,
        batch_size: int | str = 256,
        optimiser: str = "sgd",
        schedule: str = "constant",
        init: str = "glorot4",
        activation: str = "sigmoid",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        check_every: int = 250,
        members: int = 1,
        precision: str = "float32",
        device: str = "auto",
        random_state: int | None = None,
    ) -> None:
        # Sparsity is a term of pre-training; with beta 0 any activation passes the checks.
        super().__init__(
            units=units,
            beta=0.0,
            weight_decay=weight_decay,
            pretrain_steps=0,
            steps=steps,
            learning_rate=learning_rate,
            batch_size=batch_size,
            optimiser=optimiser,
            schedule=schedule,
            init=init,
            activation=activation,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            check_every=check_every,
            members=members,
            precision=precision,
            device=device,
            random_state=random_state,
        )
