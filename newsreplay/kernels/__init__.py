"""Compiling, and the data structures that compiled kernels share."""
