"""Receptive fields, sizes and costs of the layers of a net."""
