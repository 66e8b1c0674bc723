"""The appliance without HTTP: what it holds, and what it can be asked to do."""
