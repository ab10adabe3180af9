"""Recommenders as services: rows come one at a time, over HTTP, and nobody knows how many there will be."""
