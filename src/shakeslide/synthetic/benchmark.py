"""The frozen benchmark: one earthquake that is never made easier."""

from shakeslide.synthetic.earthquake import Scenario

BENCHMARK = Scenario(
    seed=20080512,
    rows=4000,
    cols=4000,
    cell=25.0,
    magnitude=7.7,
    median_slope=28.0,
    prevalence=0.04,
    noise=0.3,
    patchiness=0.15,
    hanging_wall=0.5,
    topography=0.45,
    facing=0.55,
    dip_slope=0.55,
    undercutting=0.3,
    hidden_strength=0.06,
    cluster=60.0,
    amalgamation=0.5,
    mapped_share=1.0,
    smallest_mapped=0.0,
    void_share=0.0,
)
"""100 km x 100 km of a magnitude 7.7 thrust earthquake.

Overall accuracies at a balanced prior, expected over the whole map: .891 for a rule that knows the
full state; .866 (.863 to .873) for one that knows the paper's 14 factors, by `bayes_given_factors`
on 300,000 random cells, or .859 (.854 to .866) where it has not seen the 3 km block it is asked
about; .776 for logistic regression on the factors with raw angles, .796 with sines and cosines.
`python -m benchmarks.frozen` measures them.
"""
