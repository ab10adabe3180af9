"""Where messages come from: Kafka, Redis streams, and lines of a file or of standard input."""
