"""Trees, forests and boosting as flat arrays."""
