"""Compiled kernels of the model; `riskstd.model.engine` decides whether they are used."""
