"""What is looked at in a model's file before any library opens it.

Nothing here runs or imports anything that the file brings along, or unpacks it to disk.
"""

from pumice.engines.safety.check import refuse_unsafe, what_runs_code
from pumice.engines.safety.onnx import check_external_data
from pumice.engines.safety.safetensors import check_safetensors

__all__ = ["check_external_data", "check_safetensors", "refuse_unsafe", "what_runs_code"]
