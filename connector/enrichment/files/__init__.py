"""Files: where events are read from and written to, what could not be enriched, and where a run goes on."""
