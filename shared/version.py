"""Which version this is; what is not installed as a package has to know it too."""

from typing import Final

VERSION: Final = "0.1.0"
