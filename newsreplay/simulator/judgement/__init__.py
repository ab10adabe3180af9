"""From answers to metrics with intervals."""
