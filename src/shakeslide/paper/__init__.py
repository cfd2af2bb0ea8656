"""The paper's experiments on any study: tables, figures and verdicts, under any protocol."""

from shakeslide.paper.experiments import EXPERIMENTS, run
from shakeslide.paper.paper_page import write_page

__all__ = ["EXPERIMENTS", "run", "write_page"]
