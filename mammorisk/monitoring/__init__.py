"""Monitoring of a service: changes of risks, devices and inputs over time, from its event log."""
