"""Playbooks: CACAO 2.0 files checked, walked, run durably, and drawn."""
