from .options import Effects as Effects
from .options import LesionShares as LesionShares
from .study import Study as Study
