"""What a simulated dataset looks like, counted from its tables. Draws nothing."""
