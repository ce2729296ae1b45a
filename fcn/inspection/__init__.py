"""What each layer of a net sees, and what it costs."""
