"""Surrogate-guided neural-architecture search in JAX. Imports nothing: take what you need from its modules."""
