"""What the networks run in: PyTorch, ONNX Runtime or OpenVINO, behind one interface."""
