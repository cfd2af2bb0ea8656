"""The bundle that ships with the package, on a synthetic earthquake that it has not seen."""

from __future__ import annotations

import numpy as np

from shakeslide.factors import terrain
from shakeslide.factors.topography import slope_between_means
from shakeslide.learning.several import event_bundle
from shakeslide.rapid import model_choice
from shakeslide.synthetic import SyntheticEarthquake, rule_scores

NAME = "synthetic"


def test_rapid_finds_it_by_name_and_it_takes_what_two_files_give() -> None:
    model = model_choice.chosen(NAME, [])
    assert model.folder == model_choice.SHIPPED / NAME
    assert set(model.codes) <= {"SLO", "SLO90", "RER250", "PGV"}
    assert 0.2 < model.event_sd < 3
    size = sum(p.stat().st_size for p in model.folder.rglob("*") if p.is_file())
    assert size <= 5e6


def test_it_ranks_unseen_ground_better_than_slope(earthquake: SyntheticEarthquake) -> None:
    z, cell = np.ascontiguousarray(earthquake.elevation), earthquake.scenario.cell
    reach = max(1, round(90 / cell))
    values = {
        "SLO": terrain.derivatives(z, cell, cell).slope_deg,
        "SLO90": slope_between_means(z, cell, cell, (reach, reach)),
        "PGV": earthquake.pgv,
    }
    wide = int(np.max(terrain.relief_halo(cell, cell, 250.0)))
    padded = np.pad(z, wide, mode="edge")
    values["RER250"] = terrain.relief(padded, cell, cell, 250.0)[wide:-wide, wide:-wide]
    made = event_bundle.load(model_choice.SHIPPED / NAME)
    part = (slice(None, None, 5), slice(None, None, 5))
    raw = np.stack([values[f.code][part].ravel() for f in made.factors], axis=1)
    truth = earthquake.p_star[part].ravel()
    ours = rule_scores(made.predict(raw.astype(np.float32)), truth).auc
    assert ours > rule_scores(values["SLO"][part].ravel() / 90, truth).auc + 0.01
