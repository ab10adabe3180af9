"""Bandits: recommenders that weigh what is known to be read against what has hardly been tried."""
