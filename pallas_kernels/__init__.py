"""Pallas kernels, generic over the bodies that they are handed: no activation is known here by name."""
