"""Convert records to the input arrays of networks."""
