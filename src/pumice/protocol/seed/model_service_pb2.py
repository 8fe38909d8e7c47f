"""Messages of model_service.proto; made from it by scripts/generate_protos.py, not to be edited."""

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

# a pool of its own: the shared one takes a name once, and other packages bring messages of these names
DESCRIPTOR = DescriptorPool().AddSerializedFile(
    b'\n\x13model_service.proto"E\n'
    b'\x0ePredictRequest\x12\x1d\n\ninput'
    b'_text\x18\x01 \x01(\tR\tinputText\x12\x14'
    b'\n\x05model\x18\x02 \x01(\tR\x05model"R\n\x0f'
    b'PredictResponse\x12\x1f\n\x0boutpu'
    b't_text\x18\x01 \x01(\tR\noutputText'
    b'\x12\x1e\n\nconfidence\x18\x02 \x01(\x02R\nco'
    b'nfidence2<\n\x0cModelService'
    b'\x12,\n\x07Predict\x12\x0f.PredictReq'
    b'uest\x1a\x10.PredictResponseb\x06'
    b'proto3'
)
globals().update((name, GetMessageClass(kind)) for name, kind in DESCRIPTOR.message_types_by_name.items())
