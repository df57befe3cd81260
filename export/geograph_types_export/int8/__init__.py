"""The encoder in int8: which products, how rounded, and whether it is accurate enough."""
