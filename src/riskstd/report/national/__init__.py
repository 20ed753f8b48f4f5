"""The national report: its page and its figures."""
