"""Official and user tables turned into tables of the user's definition folder."""

from riskstd.importing.files import ImportRequest, import_file
from riskstd.importing.report import ImportReport

__all__ = ["ImportReport", "ImportRequest", "import_file"]
