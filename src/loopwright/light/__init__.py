"""Making loops with numpy and onnxruntime alone: ready in a third of the time that importing torch takes.

The networks are ONNX graphs; what surrounds them (circular STFT, phases, tempo) is numpy. `models` and `vocoder` are the same
maths in torch, for training; tests hold the two together.
"""
