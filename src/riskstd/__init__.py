"""Risk-standardized hospital visit rates for ambulatory surgical centers, from Medicare claims."""

__version__ = "0.1.0"
