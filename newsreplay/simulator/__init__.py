"""The log, the replay, the judge and the metrics: one direction, one file an arrow (see docs/design.md)."""
