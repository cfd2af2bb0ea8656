"""
Features of the autoencoder
===========================

Each layer of the stacked sparse autoencoder computes features from those of the layer below.
``transform`` returns them. Two principal axes show how well they separate landslides from clear
ground.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from shakeslide import pipeline, synthetic
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.evaluation import splits
from shakeslide.models import StackedAutoencoder
from shakeslide.sampling import encoding, sample_table
from shakeslide.study import settings as study

folder = Path(tempfile.mkdtemp())
scenario = synthetic.Scenario(seed=3, rows=400, cols=400, prevalence=0.05)
path = synthetic.write(synthetic.make(scenario), folder)
settings, document = study.load(path, overrides=["evaluation.block_size=1500"])
run = pipeline.Run(settings, document, folder / "run", Engine(), Reporter(quiet=True))
pipeline.prepare(run)
pipeline.sample(run)
samples = sample_table.load(run.out / "samples.parquet")

# %%
# Training is short here; ``StackedAutoencoder.paper()`` has the paper's 20,000 steps.

split = next(splits.pixel(samples.label, train=0.5, repeats=1))
factors = [(f.code, f.kind) for f in samples.factors]
raw, known = samples.raw[split.train], samples.label[split.train]
encoder = encoding.fit(raw, known, factors, samples.class_areas)
model = StackedAutoencoder(units=(60, 60, 60), pretrain_steps=1000, steps=4000, random_state=1)
model.fit(encoder.transform(raw), known)
tested, label = encoder.transform(samples.raw[split.test]), samples.label[split.test]
print(f"overall accuracy on cells drawn at random: {(model.predict(tested) == label).mean():.3f}")

# %%
# The inputs and the features of each layer for test cells. The number above each panel is the
# accuracy on test cells of a logistic regression on the features of training cells.

fig, axes = plt.subplots(1, 4, figsize=(12, 3.6), layout="constrained")
rows = np.random.default_rng(1).permutation(len(label))[:2000]
for layer, ax in enumerate(axes):
    seen = encoder.transform(raw) if layer == 0 else model.transform(encoder.transform(raw), layer)
    shown = tested if layer == 0 else model.transform(tested, layer)
    right = LogisticRegression(max_iter=2000).fit(seen, known).score(shown, label)
    plane = PCA(2).fit(seen).transform(shown[rows])
    for value, colour, name in ((0, "#4393c3", "clear"), (1, "#d6604d", "source")):
        at = label[rows] == value
        ax.plot(plane[at, 0], plane[at, 1], ".", markersize=2, color=colour, label=name)
    ax.set(title=f"{'inputs' if layer == 0 else f'layer {layer}'}: {right:.3f}")
    ax.set(xticks=[], yticks=[], xlabel="first axis", ylabel="second axis")
axes[0].legend(markerscale=6, frameon=False)
plt.show()

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"features_{number}.png", dpi=150)
    print(file)
