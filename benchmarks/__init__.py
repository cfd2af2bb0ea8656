"""Speed against peers, as ratios measured in the same run: `python -m benchmarks`."""

import os

# As the command line does: waiting threads must not take the peers' processors.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
