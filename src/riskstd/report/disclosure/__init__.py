"""What a reader may see: small cells, what gives them away, and the export for the public."""
