"""Faults that no ASGI application can make: a raw TCP proxy in front of an appliance, and peers with bad TLS."""
