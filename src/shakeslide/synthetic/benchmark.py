"""The frozen benchmark: one earthquake that is never made easier."""

from shakeslide.synthetic.scenario import Scenario

BENCHMARK = Scenario(
    seed=20080512,
    rows=4000,
    cols=4000,
    cell=25.0,
    magnitude=7.7,
    prevalence=0.04,
    noise=0.27,
    hidden_strength=0.06,
    hanging_wall=0.5,
    topography=0.45,
    facing=0.5,
    dip_slope=0.5,
    undercutting=0.3,
)
