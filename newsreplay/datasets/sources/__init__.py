"""Readers of public formats, one file or folder each."""
