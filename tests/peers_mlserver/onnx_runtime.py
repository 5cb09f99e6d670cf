"""MLServer serving an ONNX file: the protocol is MLServer's, the graph ONNX Runtime's.

Runs in MLServer's own environment, whose pins are not the appliance's; imports nothing of the project.
"""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnxruntime import InferenceSession


class OnnxModel(MLModel):
    """One ONNX file, named by the model's settings."""

    async def load(self) -> bool:
        self._session = InferenceSession(self.settings.parameters.uri, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        names = [each.name for each in self._session.get_outputs()]
        values = self._session.run(names, feeds)
        outputs = [NumpyCodec.encode_output(name, value) for name, value in zip(names, values, strict=True)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)
