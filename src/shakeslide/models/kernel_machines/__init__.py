"""The support vector machine, its fast polynomial form, scores into probabilities."""
