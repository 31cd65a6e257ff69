#!/bin/sh
# The first thing a new user runs: loops of both bundled models, at one tempo.
set -eu
out=demo
loopwright generate drums -n 16 --bpm 124 -o "$out/Drums" --force --sheet "$out/drums.png"
loopwright generate synth -n 8 --bpm 124 -o "$out/Synth" --force --sheet "$out/synth.png"
echo "16 drum loops at 124 BPM are in $out/Drums/Loops, 8 synth loops to go with them in $out/Synth/Loops, spectrograms in $out/*.png."
