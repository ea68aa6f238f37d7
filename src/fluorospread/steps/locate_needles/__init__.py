"""Finds needle tips in one frame: straight metal lines of needle width with one free end.

A needle is bright (attenuating), 0.3 to 0.8 mm wide, of even height along its shaft, and leads at one end to its
hub or out of the field; the other end is the tip. A false needle is worse than none: what fits only partly
is left out and named in the reason.
"""

from fluorospread.steps.locate_needles.locate import locate_needles
from fluorospread.steps.locate_needles.settings import NeedleSettings

__all__ = ["NeedleSettings", "locate_needles"]
