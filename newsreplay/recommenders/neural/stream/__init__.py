"""What a neural recommender keeps of the stream, compiled: histories, counters, articles alive."""
