"""How networks are run: backends of encoders, and work spread over machines."""
