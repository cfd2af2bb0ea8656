"""The paper's experiments on any study: tables, figures and verdicts, under any protocol."""

from shakeslide.reproduce.experiments import EXPERIMENTS, run
from shakeslide.reproduce.page import write_page

__all__ = ["EXPERIMENTS", "run", "write_page"]
