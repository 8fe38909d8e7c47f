"""From files that run code as they are read to files that do not."""

from pumice.service.conversion.converting import Conversion, convert
from pumice.service.conversion.deciding import ConvertWish

__all__ = ["Conversion", "ConvertWish", "convert"]
