"""
Frequency ratio
===============

The frequency ratio of a class is its share of the landslide cells divided by its share of the area.
Above 1, the class fails more often than average. Models use this number for lithology and soil.
"""

import matplotlib.pyplot as plt
import numpy as np

from shakeslide import synthetic
from shakeslide.sampling import encoding
from shakeslide.synthetic.geology import ROCKS

earthquake = synthetic.make(synthetic.Scenario(seed=3, rows=400, cols=400, prevalence=0.05))
rock, failed = earthquake.surface.rock, earthquake.failed

codes, cells = np.unique(rock, return_counts=True)
areas = dict(zip(codes.tolist(), cells.tolist(), strict=True))
ratios = encoding.frequency_ratios(rock[failed].astype(np.int64), areas)
for code, ratio in sorted(ratios.items(), key=lambda item: -item[1]):
    print(f"{ROCKS[code].name:<16} {100 * areas[code] / rock.size:5.1f} % of the area  {ratio:.2f}")

# %%
# In a study the landslide cells are those of the training rows alone, which prevents leakage from
# test cells. The areas are those of the training region.

order = sorted(ratios, key=lambda code: ratios[code])
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
colours = ["#b2182b" if ratios[c] > 1 else "#2166ac" for c in order]
ax.barh([ROCKS[c].name for c in order], [ratios[c] for c in order], color=colours)
ax.axvline(1.0, color="black", linewidth=1)
ax.set_xlabel("frequency ratio (1: the average of the map)")
plt.show()

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"frequency_ratio_{number}.png", dpi=150)
    print(file)
