"""Audio in and out, resampling, the circular STFT, log-mel. No learning, no folder layout."""
