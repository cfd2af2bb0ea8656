"""The autoencoder's present-day settings, apart from its class, which takes libraries to load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODERN: Mapping[str, Any] = {
    "units": (96, 48),
    "activation": "silu",
    "beta": 0.0,
    "dropout": 0.3,
    "input_dropout": 0.1,
    "weight_decay": 0.0125,
    "pretrain_steps": 0,
    "steps": 1200,
    "learning_rate": 3e-3,
    "optimiser": "adamw",
    "schedule": "one_cycle",
    "init": "xavier",
    "members": 4,
    "average": "logit",
    "balanced": True,
    "passes": 100,
}
"""What differs from the class's own defaults or was chosen anew."""
WHOLE: Mapping[str, Any] = {
    **MODERN,
    "batch_size": 256,
    "check_every": 250,
    "device": "auto",
    "early_stopping": False,
    "head": "softmax",
    "loss_reduction": "sum",
    "patience": 10,
    "precision": "float32",
    "pretrain_learning_rate": None,
    "rho": 0.05,
    "validation_fraction": 0.1,
}
"""Every parameter but the seed, with the class's defaults."""
BOUNDED = ("sigmoid", "tanh")
"""Activations that cannot give back any number."""
