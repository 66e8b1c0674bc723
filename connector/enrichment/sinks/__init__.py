"""Where the lines of an enrichment are sent."""
