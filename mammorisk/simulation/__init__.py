"""Simulation of a screening study: women, their true risks and their exams."""

from mammorisk.simulation.lesions import LesionShares
from mammorisk.simulation.options import Effects
from mammorisk.simulation.study import Study

__all__ = ["Effects", "LesionShares", "Study"]
