"""The facility report as a workbook."""
