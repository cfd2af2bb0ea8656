"""
Source areas from outlines
==========================

Most inventories contain whole outlines. The elevation model separates the source of a landslide
from its run-out: the source is the part within 1.5 widths of the crown. Here the true sources are
known.
"""

import matplotlib.pyplot as plt
import numpy as np

from shakeslide import sources, synthetic

earthquake = synthetic.make(synthetic.Scenario(seed=3, rows=400, cols=400, prevalence=0.05))
slides, cell = earthquake.landslides, earthquake.scenario.cell
recipe = sources.Recipe()


def window(number: int) -> tuple[slice, slice]:
    """Rows and columns around a landslide."""
    rows, cols = np.nonzero(slides.whole == number)
    return tuple(slice(max(0, v.min() - 4), v.max() + 5) for v in (rows, cols))


def extracted(number: int) -> np.ndarray:
    """Source cells of an outline, told from it and the ground; it may be several landslides."""
    at = window(number)
    inside = slides.whole[at] == number
    found, _ = sources.separate(sources.Landslide(earthquake.dem[at], inside, (cell, cell)), recipe)
    return np.any([landslide.source for landslide in found], axis=0)


# %%
# Intersection over union with the true source, for outlines of 16 cells and more.

count = np.bincount(slides.whole.ravel(), minlength=slides.count + 1)
count[0] = 0
score, whole = [], []
for number in np.flatnonzero(count >= 16):
    truth = slides.source[window(number)] == number
    told, outline = extracted(number), slides.whole[window(number)] == number
    score.append((told & truth).sum() / (told | truth).sum())
    whole.append(truth.sum() / outline.sum())
print(f"{len(score)} outlines; median intersection over union with the true source:")
print(f"  extracted {np.median(score):.2f}, whole outline {np.median(whole):.2f}")

# %%
# The three largest landslides: extracted and true source over elevation contours.

fig, axes = plt.subplots(1, 3, figsize=(11, 4.4), layout="constrained")
for ax, number in zip(axes, np.argsort(count)[::-1][:3], strict=True):
    at = window(number)
    inside = slides.whole[at] == number
    truth = slides.source[at] == number
    shown = np.where(extracted(number), 2.0, np.where(inside, 1.0, np.nan))
    ax.imshow(shown, cmap="YlOrBr", vmin=0, vmax=3)
    ax.contour(earthquake.dem[at], levels=15, colors="grey", linewidths=0.5)
    ax.contour(truth.astype(float), levels=[0.5], colors="blue", linewidths=1.5)
    ax.set(title=f"{count[number]} cells", xticks=[], yticks=[])
handles = [
    plt.Rectangle((0, 0), 1, 1, color=plt.cm.YlOrBr(2 / 3), label="source, extracted"),
    plt.Rectangle((0, 0), 1, 1, color=plt.cm.YlOrBr(1 / 3), label="run-out"),
    plt.Line2D([], [], color="blue", label="true source"),
]
fig.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
plt.show()

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"sources_{number}.png", dpi=150)
    print(file)
