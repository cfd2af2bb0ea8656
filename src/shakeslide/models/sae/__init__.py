"""The stacked sparse autoencoder: estimator, kernels, training, checkpoints, exports."""
