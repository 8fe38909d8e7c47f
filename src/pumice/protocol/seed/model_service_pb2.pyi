from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class PredictRequest(_message.Message):
    __slots__ = ("input_text", "model")
    INPUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    input_text: str
    model: str
    def __init__(self, input_text: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("output_text", "confidence")
    OUTPUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    output_text: str
    confidence: float
    def __init__(self, output_text: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...
