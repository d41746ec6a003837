"""Surrogates: probabilistic regressors for any small data set. Nothing here knows of architectures."""
