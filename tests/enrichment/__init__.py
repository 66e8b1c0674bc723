"""Tests of the enrichment of SIEM events."""
