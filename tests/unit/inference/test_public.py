import subprocess
import sys

import inference


def test_the_public_names():
    assert inference.__all__ == ["Found", "Judgement", "Model", "load", "picture", "thumbnail"]
    assert all(getattr(inference, name) for name in inference.__all__)


def test_importing_loads_no_runtime_and_no_opencv():
    code = "import sys, inference; print(sorted({'cv2', 'onnxruntime', 'numpy'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
