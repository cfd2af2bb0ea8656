"""From samples to fitted models: training, validation, tuning, explanation, stored bundles."""
