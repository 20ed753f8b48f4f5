"""Published results: read from the Provider Data Catalog, and set beside a run."""
