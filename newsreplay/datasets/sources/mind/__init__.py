"""MIND, and formats built on its files."""
