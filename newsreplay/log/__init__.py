"""One publisher's rows in event-time order, and what is known of its articles."""
