"""PyTorch: programs of torch.export, and weights for modules of one's own."""

from pumice.engines.torch.engine import TorchEngine
from pumice.engines.torch.state import load_state

__all__ = ["TorchEngine", "load_state"]
