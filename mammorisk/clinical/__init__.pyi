from .attributable_risk import attributable_risk as attributable_risk
from .average import Average as Average
from .baseline import BaselineScores as BaselineScores
from .baseline import PublishedBaseline as PublishedBaseline
from .bcrat import Bcrat as Bcrat
from .bcsc2006 import Bcsc2006 as Bcsc2006
from .bcsc2008 import Bcsc2008 as Bcsc2008
from .claus import Claus as Claus
from .competing_risks import AbsoluteRisk as AbsoluteRisk
from .competing_risks import YearlyRates as YearlyRates
from .competing_risks import absolute_risk as absolute_risk
from .density_only import DensityOnly as DensityOnly
from .icare_lit import IcareLit as IcareLit
from .rated import RatedModel as RatedModel
from .rates import Rates as Rates
from .rates_library import RATE_SETS as RATE_SETS
from .rates_library import load_rates as load_rates
from .registry import CLINICAL_MODELS as CLINICAL_MODELS
from .registry import load_clinical as load_clinical
from .scoring import ClinicalModel as ClinicalModel

__all__ = [
    "CLINICAL_MODELS",
    "RATE_SETS",
    "AbsoluteRisk",
    "Average",
    "BaselineScores",
    "Bcrat",
    "Bcsc2006",
    "Bcsc2008",
    "Claus",
    "ClinicalModel",
    "DensityOnly",
    "IcareLit",
    "PublishedBaseline",
    "RatedModel",
    "Rates",
    "YearlyRates",
    "absolute_risk",
    "attributable_risk",
    "load_clinical",
    "load_rates",
]
