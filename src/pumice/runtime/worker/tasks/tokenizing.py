"""From texts to the token tensors of a graph, with a `tokenizers` file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pumice.domain.errors import BadArtefact, BadSetting, MalformedInput, MissingDependency
from pumice.domain.signature import Signature
from pumice.engines.base import EngineConfig

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
_PAD_NAMES = ("[PAD]", "<pad>", "<|padding|>", "<|endoftext|>")


class Tokenizing:
    """A tokenizer and the graph that it feeds.

    Args:
        config: What the model was loaded with.
        signature: The graph's; it takes ``input_ids`` and perhaps ``attention_mask`` and ``token_type_ids``,
            INT64 or INT32 [batch, tokens].

    Attributes:
        can_pad: Whether texts of different length may share a run: the graph takes a mask, or the padding is known.

    Raises:
        BadArtefact: The tokenizer cannot be read, or the graph takes other inputs.
        BadSetting: The manifest names no tokenizer.
        MissingDependency: The library `tokenizers` is not installed.
    """

    def __init__(self, config: EngineConfig, signature: Signature) -> None:
        self._tensors = {tensor.name: tensor.dtype for tensor in signature.inputs if tensor.name in {IDS, MASK, TYPES}}
        self._width = _width(config, signature)
        self._tokenizer = _read_tokenizer(config)
        # the library's batch call takes all cores of the machine, at the same CPU time a text: not for a model that
        # has one thread and shares them with other replicas
        self._alone = config.threads == 1
        padding = self._tokenizer.padding or {}
        known = (self._tokenizer.token_to_id(name) for name in _PAD_NAMES)
        self._pad_id = padding.get("pad_id", next((number for number in known if number is not None), None))
        self._pad_type = padding.get("pad_type_id", 0)
        self._left = padding.get("direction", "right") == "left"
        self.can_pad = MASK in self._tensors or self._pad_id is not None
        self._limit(config.manifest.max_length)

    def encode(self, texts: np.ndarray) -> list[Encoding]:
        """Tokenize all texts of a batch at once, each cut at the model's length.

        Args:
            texts: BYTES [rows], UTF-8.

        Raises:
            MalformedInput: A text is not UTF-8.
        """
        decoded: list[str] = []
        try:
            decoded.extend(item.decode() for item in texts.tolist())
        except UnicodeDecodeError as error:
            problem = f"not UTF-8 ({error.reason} at byte {error.start}); send UTF-8 text"
            raise MalformedInput(f"input 'text'[{len(decoded)}]", problem) from None
        if self._alone:
            return [self._tokenizer.encode(text) for text in decoded]
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(decoded)
        return encodings

    def feed(self, encodings: list[Encoding]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Pad some texts to the longest of them.

        Returns:
            The graph's inputs, and the mask [rows, tokens]: true where a token is.
        """
        # a text without any token is one token of padding: graphs take no empty axis
        lengths = np.array([len(encoding) or 1 for encoding in encodings])
        width = self._width or int(lengths.max())
        places = np.arange(width)
        mask = places >= width - lengths[:, None] if self._left else places < lengths[:, None]
        arrays: dict[str, np.ndarray] = {}
        for name, dtype in self._tensors.items():
            if name == MASK:
                arrays[name] = mask.astype(dtype)
            elif name == IDS:
                arrays[name] = self._padded([e.ids for e in encodings], width, self._pad_id or 0, dtype)
            else:
                arrays[name] = self._padded([e.type_ids for e in encodings], width, self._pad_type, dtype)
        return arrays, mask

    def _padded(self, rows: list[list[int]], width: int, value: int, dtype: np.dtype[np.generic]) -> np.ndarray:
        array = np.full((len(rows), width), value, dtype=dtype)
        for target, row in zip(array, rows, strict=True):
            if row:
                target[slice(-len(row), None) if self._left else slice(len(row))] = row
        return array

    def _limit(self, max_length: int) -> None:
        """Cut texts at the manifest's length, at the end that the tokenizer's file says."""
        said = self._tokenizer.truncation or {}
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(
            min(max_length, self._width or max_length),
            strategy=said.get("strategy", "longest_first"),
            direction=said.get("direction", "right"),
        )


def _read_tokenizer(config: EngineConfig) -> Tokenizer:
    name = config.manifest.tokenizer
    if not name:
        raise BadSetting("manifest 'tokenizer'", "nothing", f"a tokenizer.json, which '{config.manifest.task}' needs")
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingDependency(
            f"task '{config.manifest.task}'", "the library 'tokenizers'", "pip install 'pumice[text]'"
        ) from error
    # an absolute name, as resolve_source makes it, stays what it is
    path = Path(config.path).parent / name
    if not path.is_file():
        raise BadArtefact(str(path), "there is no such file", "mend 'tokenizer' in the manifest")
    try:
        tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        # the library raises nothing narrower than Exception
        raise BadArtefact(str(path), f"it is no tokenizer: {error}", "save it with Tokenizer.save") from error
    return tokenizer


def _width(config: EngineConfig, signature: Signature) -> int | None:
    """The graph's fixed number of tokens, if it has one."""
    inputs = {tensor.name: tensor for tensor in signature.inputs if not tensor.optional or tensor.name in {MASK, TYPES}}
    given = ", ".join(f"'{tensor.name}' {tensor}" for tensor in signature.inputs)
    if IDS not in inputs or any(name not in {IDS, MASK, TYPES} for name in inputs):
        problem = f"its inputs do not suit '{config.manifest.task}': given {given}"
        raise BadArtefact(config.path, problem, f"the task feeds {IDS}, {MASK} and {TYPES}; or set 'task' to 'tensor'")
    if any(len(tensor.shape) != 2 or tensor.datatype not in ("INT64", "INT32") for tensor in inputs.values()):
        problem = f"its inputs must be INT64 or INT32 [batch, tokens], given {given}"
        raise BadArtefact(config.path, problem, "export it so, or set 'task' to 'tensor'")
    widths = {tensor.shape[1] for tensor in inputs.values()} - {-1}
    return max(widths) if widths else None
