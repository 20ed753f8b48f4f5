"""Trace: why a case is in or out and what counted, decision by decision, down to the claim lines."""
