"""Live: the same recommenders on a topic, in shadow mode: answers are kept and judged, and nobody is shown them."""
