"""Official and user tables turned into tables of the user's definition folder."""

from riskstd.importing.files import import_file
from riskstd.importing.report import ImportReport
from riskstd.importing.request import ImportRequest

__all__ = ["ImportReport", "ImportRequest", "import_file"]
