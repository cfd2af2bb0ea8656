"""Gaps and contradictions in the paper, and what is done here."""

from __future__ import annotations

from shakeslide.paper.comparison import implied


def _implied() -> str:
    return ", ".join(f"{100 * v:.1f}" for v in implied().values())


LEDGER: tuple[tuple[str, str], ...] = (
    (
        "110 hidden units (4.1) and 120 (conclusions); 20,000 iterations and 30,000",
        "110 and 20,000; both are settings. One iteration is one step of gradient descent on a "
        "batch. F6 and F7 show what they change",
    ),
    (
        "8,193,389 source cells (text) and 819,389 (Table 2); 1,211,024 test cells (Table 2)",
        "819,389 and 1,311,024, because only these agree with the other figures",
    ),
    (
        "Table 5 (OA, precision, recall) cannot come from the balanced test set: precision and "
        f"recall imply OA {_implied()} % for LR, SVM, RF and the autoencoder",
        "the published figures are printed beside ours, unchanged. `shakeslide audit` computes "
        "what such figures imply",
    ),
    (
        "the best learning rate of Table 4 reaches OA 86.72 %, Table 5 has 91.88 % for the same "
        "model",
        "the two must differ in settings that are not stated; here, every figure is stored with "
        "all of its settings",
    ),
    (
        "ρ, β, λ, batch size, length of pre-training, validation set, windows and bandwidths are "
        "not given",
        "ρ = 0.05, β = 1e-3, λ = 1e-6, batches of 256, 2,000 steps per layer; TPI ring 62.5–150 m, "
        "relief window 1 km, subsections of 5 km, bandwidth by the rule of thumb; all are settings",
    ),
    (
        "calibration is not mentioned",
        "the experiments use no calibration; the maps (F5, F8, F9, F11) are those of the run, and "
        "are calibrated if the study sets it",
    ),
    (
        "units, layers, iterations and learning rate were chosen on the test set",
        "F6, F7 and T4 show such curves, but no setting is chosen from them; `shakeslide tune` "
        "compares settings on validation rows taken from the training rows",
    ),
    (
        "equations 5 to 7 ascend the loss; 8 and 9 lack the activation; recall is described as "
        "precision; the earthquake is given as Mw 8.3",
        "5 to 7 descend the loss; 8 and 9 use the sigmoid; recall is TP/(TP + FN); the earthquake "
        "has Mw 7.9",
    ),
    (
        "the text of equation 16 swaps cell and epicentre, and two of its quadrants coincide",
        "the azimuth is from the epicentre to the cell and correct in all quadrants",
    ),
    (
        'the cells "represent the whole landslides", yet "only the initiation areas" are samples',
        "positives are source cells; negatives lie outside whole outlines",
    ),
    (
        "23,029 of about 197,000 mapped landslides were used",
        "negatives may contain landslides: `[[inventory.ambiguous]]` excludes uncertain ground",
    ),
    (
        "aftershocks, surface rupture and frequency ratios are known only after the event",
        "any factor can be left out of a study: `[factors.AF]` `use = false`",
    ),
    (
        "cells are split at random: cells of one landslide are in the training and the test data "
        "(leakage)",
        "`--protocol landslide` and `--protocol block` hold out whole landslides and whole square "
        "blocks; the results below name their protocol",
    ),
)
"""(in the paper, here)."""
