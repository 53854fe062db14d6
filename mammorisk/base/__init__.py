"""The interface of all models: RiskModel and ImageModel, with ModelCard and Scores."""

from mammorisk.base.card import ModelCard as ModelCard
from mammorisk.base.card_check import card_faults as card_faults
from mammorisk.base.horizons import DEFAULT_HORIZONS as DEFAULT_HORIZONS
from mammorisk.base.horizons import YEARS as YEARS
from mammorisk.base.horizons import Horizon as Horizon
from mammorisk.base.horizons import check_horizons as check_horizons
from mammorisk.base.image_model import ImageModel as ImageModel
from mammorisk.base.image_model import PreparedExam as PreparedExam
from mammorisk.base.image_model import PreparedView as PreparedView
from mammorisk.base.risk_model import RiskModel as RiskModel
from mammorisk.base.scores import Scores as Scores
