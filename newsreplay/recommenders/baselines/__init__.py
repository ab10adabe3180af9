"""The baselines of Kille & Lommatzsch (2019), one file each."""
