"""The engine of torch.export programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.model import Parameter
from pumice.domain.signature import Signature, zeros
from pumice.engines.agree import agreed
from pumice.engines.base import Engine, EngineConfig, Traits
from pumice.engines.options import read_options
from pumice.engines.torch.arguments import read_interface
from pumice.engines.torch.ends import read_ends
from pumice.engines.torch.options import TorchOptions
from pumice.engines.torch.program import build, choose_device, import_torch, load_program


class TorchEngine(Engine):
    """Runs a program that ``torch.export.save`` wrote.

    Inputs have the names of the module's arguments; outputs those of the keys of a dictionary, ``output_0``… of a
    tuple, or ``output``. BF16 tensors travel as FP32.
    """

    name = "torch"
    platform = "pytorch_export"
    suffixes = (".pt2",)

    def __init__(self, config: EngineConfig) -> None:
        torch = import_torch()
        options = read_options(TorchOptions, config.manifest.options)
        device = choose_device(torch, config.provider, config.device)
        torch.set_num_threads(config.threads)
        program = load_program(torch, config, device)
        interface = read_interface(program, config.path)
        self._torch, self._device, self._inputs, self._dtypes = torch, device, interface.inputs, interface.dtypes
        self.signature = agreed(config.manifest.signature, interface.signature, config.path)
        self._outputs = [tensor.name for tensor in interface.signature.outputs]
        self._wanted = {tensor.name: tensor.dtype for tensor in self.signature.outputs}
        self._in_spec = program.call_spec.in_spec
        self._module, self._context = build(torch, program, options, device)
        self.traits = Traits(
            batchable=interface.joinable and self.signature.batchable,
            max_batch_size=interface.most_rows,
            placement={
                "provider": device.partition(":")[0],
                "device": config.device,
                "threads": config.threads,
                "dtype": options.dtype,
                "compile": options.compile,
            },
            metadata={"torch": torch.__version__},
        )
        if options.compile:
            self._compile_now()

    @classmethod
    def peek(cls, path: Path) -> Signature | None:
        """Read the graph's inputs and outputs."""
        return read_ends(path)

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Run the program once; it has no parameters."""
        del parameters
        torch = self._torch
        leaves = [self._tensor(inputs[name], name) if name else constant for name, constant in self._inputs]
        args, kwargs = torch.utils._pytree.tree_unflatten(leaves, self._in_spec)  # noqa: SLF001 - torch's own way to call
        with torch.inference_mode(), self._context:
            answer = torch.utils._pytree.tree_leaves(self._module(*args, **kwargs))  # noqa: SLF001
            return {
                name: self._array(tensor, self._wanted[name])
                for name, tensor in zip(self._outputs, answer, strict=True)
                if name in self._wanted
            }

    def close(self) -> None:
        """Free the module and its memory."""
        self._module = None

    def _tensor(self, array: np.ndarray, name: str) -> Any:
        if not (array.flags.writeable and array.flags.aligned and array.flags.c_contiguous):
            array = array.copy()  # torch takes no memory that it may not write to
        return self._torch.from_numpy(array).to(self._device, self._dtypes[name])

    def _array(self, tensor: Any, dtype: np.dtype[np.generic]) -> np.ndarray:
        if tensor.dtype == self._torch.bfloat16:
            tensor = tensor.float()
        array: np.ndarray = tensor.cpu().numpy()
        return array if array.dtype == dtype else array.astype(dtype)

    def _compile_now(self) -> None:
        """Compile while loading, so that no caller waits for it and a failure is told at the start."""
        for rows in (2, 1):
            try:
                self.run(zeros(self.signature, rows), {})
            except Exception as error:
                problem = str(error).strip().splitlines()[0]
                allowed = f"false: torch.compile fails here ({problem}); is there a C++ compiler?"
                raise BadSetting("option 'compile'", "true", allowed) from error
