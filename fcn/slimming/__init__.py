"""Makes trained nets smaller: keeps the channels of each layer that matter."""
