"""Directories in the form of the Hugging Face Hub: weights, ``config.json``, tokenizer, and a model card."""

from pumice.exchanges.huggingface.exchange import HuggingFace

__all__ = ["HuggingFace"]
