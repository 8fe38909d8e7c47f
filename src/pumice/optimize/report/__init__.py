"""The report of an optimization: ``report.json`` for programs, one self-contained ``report.html`` for people.

figures   numbers and intervals as people read them
texts     every sentence of the page, in English and Chinese
frontier  the plot of the frontier, as SVG
bars      intervals and damages as small pictures beside their figures
page      puts the page together
files     writes both files
"""

from __future__ import annotations

from pumice.optimize.report.files import read_report, write_report

__all__ = ["read_report", "write_report"]
