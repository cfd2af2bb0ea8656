"""
A study in a notebook
=====================

``import shakeslide`` gives factors as an xarray Dataset, sampled cells as a pandas table, and the
encoder, models and protocols as parts of scikit-learn. This script makes an earthquake, compares
two models on unseen blocks of land, and maps the better one.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.pipeline import make_pipeline

import shakeslide as ss

# %%
# Make a study and run it until its cells are sampled. For your own study, start from its file.

folder = Path(tempfile.mkdtemp())
study = ss.make_earthquake(folder / "data", size=300, seed=3, prevalence=0.05)
block = "evaluation.block_size=1500"
run = ss.run(study, folder / "run", until="sample", overrides=[block], quiet=True)
F = ss.open_factors(run)
X, y, groups = ss.samples(run)
print(f"{len(F)} factors on {F.sizes['y']} x {F.sizes['x']} cells, {len(X):,} of them sampled")

# %%
# How much does each factor tell about the label? The unit of the information gain is bits.

classes = {code: variable.kind == "categorical" for code, variable in F.items()}
gain = {code: ss.information_gain(X[code], y, categorical=classes[code]) for code in X}
print(pd.Series(gain).sort_values(ascending=False).head(5).round(3).to_string())

# %%
# Two models on the same splits. The encoder is fitted on the training rows of each.

cv = ss.BlockKFold(1500, n_splits=4, buffer=150)
models = {
    "random forest": ss.RandomForest(random_state=1),
    "logistic regression": ss.LogisticRegression(),
}
pipes = {
    name: make_pipeline(ss.FactorEncoder(F, angles="sincos"), model)
    for name, model in models.items()
}
tables = {name: ss.evaluate(pipe, X, y, cv) for name, pipe in pipes.items()}
for name, table in tables.items():
    print(f"{name:<20} ROC-AUC {table['roc_auc'].mean():.3f} on unseen blocks")
forest, regression = tables.values()
difference = ss.paired_difference(
    forest["roc_auc"], regression["roc_auc"], forest["n_train"], forest["n_test"]
)
print(f"difference {difference.estimate:+.3f}", end=", ")
print(f"95 % confidence interval {difference.low:+.3f} to {difference.high:+.3f}")

# %%
# Map the better one, fitted on all cells. The map is lazy: its blocks are computed when they are
# drawn or written.

best = max(tables, key=lambda name: tables[name]["roc_auc"].mean())
P = ss.predict_map(pipes[best].fit(X, y), F)
ss.write_map(P, folder / "probability.tif")

fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
F["SLO"].plot(ax=axes[0], cmap="Greys")
P.plot(ax=axes[1], cmap="magma_r", vmin=0, vmax=1)
for ax, title in zip(axes, ("Slope", f"Susceptibility, {best}"), strict=True):
    ax.set(title=title, xlabel="", ylabel="", aspect="equal", xticks=[], yticks=[])
plt.show()

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"notebook_{number}.png", dpi=150)
    print(file)
