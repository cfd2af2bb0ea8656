"""From fitted models to maps: probabilities, their spread, where the training data hold."""
