"""Downloading public data sets."""
