"""Recommenders: the protocol in base.py and the baselines of Kille & Lommatzsch (2019), one file each."""
