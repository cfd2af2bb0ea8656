"""The stages by name: this module imports nothing, as the help of the command line needs it."""

STAGES = {
    "prepare": "Compute the factors: factors/<CODE>.tif.",
    "sample": "Draw the samples: samples.parquet.",
    "train": "Train the models: models/<model>/.",
    "evaluate": "Evaluate the models on held-out data: evaluation.json and .csv.",
    "explain": "Rank the factors by importance: importance.json.",
    "map": "Predict every cell with every model: maps/*.tif.",
    "report": "Write figures, report.html and summary.pdf from the results.",
}
"""The stages of `run` in their order, and what each makes."""
BESIDE = {"sources": "Extract source areas from whole outlines: sources.gpkg."}
"""Stages that others call where a study needs them."""
