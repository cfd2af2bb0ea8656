"""
A calibrated map and its uncertainty
====================================

``[models] calibration`` calibrates the probabilities, ``[map] shows = "probability"`` converts them
from the prevalence of the sample to that of the area, and ``[map] members`` maps how much they
depend on the sample of landslides.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio

from shakeslide import pipeline, synthetic
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.study import settings as study

folder = Path(tempfile.mkdtemp())
scenario = synthetic.Scenario(seed=3, rows=400, cols=400, prevalence=0.03)
path = synthetic.write(synthetic.make(scenario), folder)
overrides = [
    'models.use=["lr"]',
    "models.lr.angles=sincos",
    'models.calibration="platt"',
    'map.shows="probability"',
    "map.members=10",
    "evaluation.block_size=1500",
    "samples.train_share=0.8",
]
settings, document = study.load(path, overrides=overrides)
run = pipeline.Run(settings, document, folder / "run", Engine(), Reporter(quiet=True))
for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.map_):
    stage(run)


def band(file: Path) -> np.ndarray:
    """Values of a raster of one band."""
    with rasterio.open(file) as source:
        return source.read(1, masked=True).filled(np.nan)


probability = band(run.out / "maps" / "lr_probability.tif")
spread = band(run.out / "maps" / "lr_sd.tif")
unlike = band(run.out / "maps" / "applicability.tif")
truth = band(folder / "truth.tif")
print(f"mean of the map {np.nanmean(probability):.4f}, of the truth {truth.mean():.4f}")

# %%
# The map and the exact probability. A logistic regression is too simple to overfit here; a forest
# overestimates the probability of the cells that failed. The mean is slightly high because run-outs
# count neither as sources nor as clear ground.

fig, axes = plt.subplots(2, 2, figsize=(9, 7.6), layout="constrained")
side = scenario.rows * scenario.cell / 1000
most = np.nanquantile(truth, 0.995)
panels = [
    ("Probability, logistic regression", probability, {"cmap": "viridis", "vmin": 0, "vmax": most}),
    ("True probability", truth, {"cmap": "viridis", "vmin": 0, "vmax": most}),
    ("Standard deviation over 10 members", spread, {"cmap": "magma"}),
    ("Dissimilarity to the training data", unlike, {"cmap": "cividis"}),
]
for ax, (title, values, how) in zip(axes.flat, panels, strict=True):
    fig.colorbar(ax.imshow(values, extent=(0, side, 0, side), **how), ax=ax, shrink=0.85)
    ax.set(title=title, xlabel="km", ylabel="km")
plt.show()

# %%
# Are the probabilities calibrated? The figure groups cells into tenths by the map's probability and
# compares it with the mean true probability.

known = np.isfinite(probability)
edges = np.quantile(probability[known], np.linspace(0, 1, 11))
tenth = np.clip(np.digitize(probability[known], edges[1:-1]), 0, 9)
told = [probability[known][tenth == k].mean() for k in range(10)]
true = [truth[known][tenth == k].mean() for k in range(10)]
fig, ax = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
top = 1.1 * max(*told, *true)
ax.plot([0, top], [0, top], color="grey", linewidth=1)
ax.plot(told, true, "o-", color="#2166ac")
ax.set(xlabel="probability on the map", ylabel="true probability", aspect="equal")
plt.show()

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"map_{number}.png", dpi=150)
    print(file)
