"""Load generation: open-loop arrivals against a scoring server, and what they measured."""
