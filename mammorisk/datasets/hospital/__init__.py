"""Cohorts from the systems of a hospital: OMOP, FHIR, REDCap."""
