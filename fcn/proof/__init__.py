"""Shows on a net and a photograph what turning its fully connected layers into convolutions does."""
