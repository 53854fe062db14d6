from ..risk_models.encoders import Encoder as Encoder
from ..risk_models.encoders import MammoClipPreprocessing as MammoClipPreprocessing
from ..risk_models.encoders import MiraiPreprocessing as MiraiPreprocessing
from ..risk_models.encoders import StandardPreprocessing as StandardPreprocessing
from ..risk_models.encoders import encoders as encoders
from ..risk_models.encoders import load_encoder as load_encoder
