from .encoder import Encoder as Encoder
from .mammo_clip.preprocessing import MammoClipPreprocessing as MammoClipPreprocessing
from .preprocessing import MiraiPreprocessing as MiraiPreprocessing
from .preprocessing import StandardPreprocessing as StandardPreprocessing
from .registry import encoders as encoders
from .registry import load_encoder as load_encoder
