"""From maps of probability to numbers: areas, people, alert levels, on arrays."""
