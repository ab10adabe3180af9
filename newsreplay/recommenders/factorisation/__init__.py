"""Factorisation machines over ids and texts, taught event by event."""
