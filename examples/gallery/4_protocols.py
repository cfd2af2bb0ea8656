"""
Cells or blocks held out
========================

A model that is tested on single cells sampled at random has been trained on neighbours of nearly
all of them. Its score on unseen blocks of land is lower, and the difference is larger for more
flexible models. For a known truth, the best possible score shows which of the two is right.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from shakeslide import evaluation, pipeline, synthetic
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.evaluation import splits
from shakeslide.models import MODELS
from shakeslide.sampling import encoding, sample_table
from shakeslide.study import settings as study

# %%
# Make the files of an earthquake, its factors and its samples, as ``shakeslide prepare`` and
# ``shakeslide sample`` do.

folder = Path(tempfile.mkdtemp())
scenario = synthetic.Scenario(seed=3, rows=400, cols=400, prevalence=0.05)
path = synthetic.write(synthetic.make(scenario), folder)
settings, document = study.load(path, overrides=["evaluation.block_size=1500"])
run = pipeline.Run(settings, document, folder / "run", Engine(), Reporter(quiet=True))
pipeline.prepare(run)
pipeline.sample(run)
samples = sample_table.load(run.out / "samples.parquet")
table, label = samples.table, samples.label
print(f"{len(table):,} cells, half of them in sources")

# %%
# Evaluate both protocols on the same cells. The encoder, with its frequency ratios and scaling, is
# fitted on the training rows of each split.

factors = [(f.code, f.kind) for f in samples.factors]
x, y = table["x"].to_numpy(), table["y"].to_numpy()
protocols = {
    "pixel": list(splits.pixel(label, train=0.8, repeats=4)),
    "block": list(splits.block(label, x, y, size=1500.0, buffer=150.0, folds=4)),
}
names = {"lr": "logistic regression", "hgb": "boosting", "rf": "random forest"}
seeds = {"lr": {}, "hgb": {"random_state": 1}, "rf": {"random_state": 1}}
auc = {}
for protocol, made in protocols.items():
    for name in names:
        scores = []
        for split in made:
            raw, known = samples.raw[split.train], label[split.train]
            encoder = encoding.fit(raw, known, factors, samples.class_areas, "sincos")
            model = MODELS[name].make(**seeds[name]).fit(encoder.transform(raw), known)
            told = model.predict_proba(encoder.transform(samples.raw[split.test]))[:, 1]
            false_positive, true_positive = evaluation.roc(label[split.test], told)
            scores.append(np.trapezoid(true_positive, false_positive))
        auc[protocol, name] = np.array(scores)
        print(f"{protocol:<6} {names[name]:<20} ROC-AUC {np.mean(scores):.3f}")

# %%
# The figure shows one dot per split, and their mean.

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for protocol, shift, colour, mark in (
    ("pixel", -0.12, "#d6604d", "o"),
    ("block", 0.12, "#2166ac", "s"),
):
    for k, name in enumerate(names):
        values = auc[protocol, name]
        label = protocol if k == 0 else None
        ax.plot(np.full(values.size, k + shift), values, mark, color=colour, alpha=0.4)
        ax.plot(k + shift, values.mean(), mark, color=colour, markersize=10, label=label)
ax.set_xticks(range(len(names)), names.values())
ax.set(ylabel="ROC-AUC", xlim=(-0.5, len(names) - 0.5))
ax.grid(axis="y", alpha=0.3)
ax.legend(title="held out", frameon=False, loc="upper left")
plt.show()

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"protocols_{number}.png", dpi=150)
    print(file)
