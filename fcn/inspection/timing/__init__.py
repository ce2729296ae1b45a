"""How long each layer of a net takes on an engine, and which share of the machine's peak it reaches."""
