"""fluorospread: verifies needle level and contrast spread of lumbar nerve blocks from fluoroscopy.

Research use only, not for diagnosis.
"""

__version__ = "0.1.0"
