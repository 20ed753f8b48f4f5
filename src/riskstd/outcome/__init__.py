"""The outcome: hospital visits in the window, planned admissions, what counts."""

from riskstd.outcome.visits import Visits, find_hospital_visits

__all__ = ["Visits", "find_hospital_visits"]
