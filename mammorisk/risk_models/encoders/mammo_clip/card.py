"""Published facts of Mammo-CLIP, in their own file so that a list of encoders loads no network."""

from __future__ import annotations

NAME = "mammo-clip"
#: Names of the published checkpoints of huggingface.co/shawn24/Mammo-CLIP.
PUBLISHED_FILES = ("b5-model-best-epoch-7.tar", "b2-model-best-epoch-10.tar")
DOI = "10.1007/978-3-031-72390-2_59"
SOURCE = f"doi:{DOI}; weights of huggingface.co/shawn24/Mammo-CLIP"
#: The README of batmanlab/Mammo-CLIP. Its LICENSE.txt is the MIT License in one version and the
#: Apache License 2.0 in another.
LICENCE = "Creative Commons Attribution 4.0 International"
