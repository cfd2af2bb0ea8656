"""
Audit of published figures
==========================

Any three of overall accuracy, precision, recall and the share of landslides in the test set
determine the fourth. This checks whether published figures are consistent.
"""

import matplotlib.pyplot as plt
import numpy as np

from shakeslide.evaluation import consistency
from shakeslide.evaluation.audit import implied_oa

# %%
# Table 5 of Li et al. (2021). The paper states that the test set is balanced.

published = {
    "LR": (0.8075, 0.7910, 0.8033),
    "SVM": (0.8222, 0.8070, 0.8207),
    "RF": (0.8416, 0.8193, 0.8440),
    "SAE": (0.9188, 0.8756, 0.9140),
}
for model, (oa, precision, recall) in published.items():
    print(f"{model}: {consistency(oa, precision, recall, prevalence=0.5).statement}")

# %%
# The accuracy that precision and recall imply, by the share of landslides in the test set. The
# crosses are the published accuracies of a balanced set: none is on its line.

share = np.linspace(0.02, 0.6, 200)
fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
for (model, (oa, precision, recall)), style in zip(
    published.items(), ("-", "--", "-.", ":"), strict=True
):
    (line,) = ax.plot(share, implied_oa(precision, recall, share), style, label=model)
    fits = consistency(oa, precision, recall).prevalence
    ax.plot(fits, oa, "o", color=line.get_color())
    ax.plot(0.5, oa, "x", color=line.get_color())
ax.axvline(0.5, color="grey", linewidth=1)
ax.annotate("balanced", (0.5, 0.99), xytext=(5, 0), textcoords="offset points", va="top")
ax.set(xlabel="share of landslides in the test set", ylabel="overall accuracy")
ax.plot([], [], "kx", label="published, if balanced")
ax.plot([], [], "ko", label="published, where it fits")
ax.legend(frameon=False)
plt.show()

# %%
# Without a display the figures are saved to files.

for number in plt.get_fignums():
    plt.figure(number).savefig(file := f"audit_{number}.png", dpi=150)
    print(file)
