"""The replay loop, for compiled and for plain-Python recommenders."""
