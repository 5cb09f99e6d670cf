"""Looks at the whole box and says what is well, what is doubtful and what is broken, each with its mend."""

from edge.doctor.doctor import examine_box
from edge.doctor.finding import Finding, Grade

__all__ = ["Finding", "Grade", "examine_box"]
