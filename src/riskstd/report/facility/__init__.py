"""The facility report as a page: where a facility stands, why, and what could change it."""
