"""
Terrain factors
===============

Slope, aspect, curvature, topographic position and relief of an elevation model in an array. The
same functions compute the factors of a study, tile by tile.
"""

import matplotlib.pyplot as plt

from shakeslide import synthetic
from shakeslide.factors import terrain, windows

earthquake = synthetic.make(synthetic.Scenario(seed=3, rows=400, cols=400))
z, cell = earthquake.dem, earthquake.scenario.cell

found = terrain.derivatives(z, cell, cell)
position = windows.tpi(z, cell, cell, inner=62.5, outer=150.0)
relief = windows.relief(z, cell, cell, window=1000.0)

# %%
# Aspect is circular and needs a circular colour map. Curvature (convex positive) and topographic
# position (positive on ridges) are centred on zero, which is white.

panels = [
    ("Slope gradient (deg)", found.slope_deg, {"cmap": "magma", "vmin": 0, "vmax": 60}),
    ("Slope aspect (deg from north)", found.aspect_deg, {"cmap": "twilight", "vmin": 0}),
    ("Curvature (1/100 m)", found.curvature, {"cmap": "RdBu_r", "vmin": -4, "vmax": 4}),
    ("Topographic position (m)", position, {"cmap": "RdBu_r", "vmin": -30, "vmax": 30}),
    ("Relative relief in 1 km (m)", relief, {"cmap": "viridis"}),
    ("Elevation (m)", z, {"cmap": "gray"}),
]
side = z.shape[0] * cell / 1000
fig, axes = plt.subplots(3, 2, figsize=(9, 11.4), layout="constrained")
for ax, (title, values, how) in zip(axes.flat, panels, strict=True):
    fig.colorbar(ax.imshow(values, extent=(0, side, 0, side), **how), ax=ax, shrink=0.85)
    ax.set(title=title, xlabel="km", ylabel="km")
plt.show()

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"terrain_{number}.png", dpi=150)
    print(file)
