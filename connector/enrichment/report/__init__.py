"""What is told of an enrichment when it is over: as JSON, as a table, and as a page with charts."""
