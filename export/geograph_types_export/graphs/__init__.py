"""The visual tower, the head and both together as ONNX graphs."""
