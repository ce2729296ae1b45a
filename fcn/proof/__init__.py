"""Shows on an image what turning the fully connected layers of a net into convolutions does."""
