"""
A synthetic earthquake
======================

A few settings determine terrain, shaking, ground and failures. The probability of failure of each
cell is then known exactly. The same settings always give the same earthquake.
"""

import matplotlib.pyplot as plt
import numpy as np

from shakeslide import synthetic

scenario = synthetic.Scenario(seed=3, rows=400, cols=400, magnitude=7.2, prevalence=0.05)
earthquake = synthetic.make(scenario)
slides = earthquake.landslides
print(f"{slides.count} landslides; {100 * earthquake.failed.mean():.1f} % of the map failed")

# %%
# The observable data, and the exact probability behind them. A correlated random field decides
# which cells fail, so failures form clusters as landslides do.

fig, axes = plt.subplots(2, 2, figsize=(9, 7.6), layout="constrained")
side = scenario.rows * scenario.cell / 1000
panels = {
    "Elevation (m)": (earthquake.dem, "gray"),
    "Median peak ground acceleration (g)": (earthquake.surface.pga, "magma"),
    "Exact probability of failure": (earthquake.p_star, "viridis"),
}
for ax, (title, (values, colours)) in zip(axes.flat, panels.items(), strict=False):
    image = ax.imshow(values, cmap=colours, extent=(0, side, 0, side))
    fig.colorbar(image, ax=ax, shrink=0.85)
    ax.set_title(title)

part = np.where(slides.source > 0, 2.0, np.where(slides.whole > 0, 1.0, np.nan))
axes[1, 1].imshow(earthquake.dem, cmap="gray", extent=(0, side, 0, side))
image = axes[1, 1].imshow(part, cmap="plasma", vmin=0.4, vmax=2.2, extent=(0, side, 0, side))
bar = fig.colorbar(image, ax=axes[1, 1], shrink=0.85, ticks=[1, 2], boundaries=[0.5, 1.5, 2.5])
bar.ax.set_yticklabels(["run-out", "source"])
axes[1, 1].set_title("Landslides")
for ax in axes.flat:
    ax.set(xlabel="km", ylabel="km")
plt.show()

# %%
# The score of the exact probabilities at a prevalence of one half, which is the best possible.

best = synthetic.bayes_optimum(earthquake.p_star)
print(f"best overall accuracy {best.oa_balanced:.3f}, best ROC-AUC {best.auc:.3f}")

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"earthquake_{number}.png", dpi=150)
    print(file)
