"""Redis for enrichment: streams that workers share, one cache and one limiter for all of them."""
