"""Samples, training and scoring in batches."""
