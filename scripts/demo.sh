#!/bin/sh
# The first thing a new user runs. With bundled models: 16 loops at once. Without: the whole path at its smallest size.
set -eu
out=demo
if loopwright models --quiet | grep -qx drums; then
  loopwright generate drums -n 16 --bpm 124 -o "$out/Drums" --force --sheet "$out/drums.png"
  loopwright generate synth -n 8 --bpm 124 -o "$out/Synth" --force --sheet "$out/synth.png"
  echo "16 drum loops at 124 BPM are in $out/Drums/Loops, 8 synth loops to go with them in $out/Synth/Loops, spectrograms in $out/*.png."
  exit 0
fi
echo "No bundled model yet: this demonstrates the machinery at its smallest size, in minutes. Do not expect music."
loopwright corpus demo -o "$out/corpus" -n 400
loopwright prepare "$out/corpus" -o "$out/prepared" --repr loop16
loopwright train gan "$out/prepared" -o "$out/runs" --recipe tiny
loopwright generate "$out/runs" -n 16 -o "$out/Pack" --force --sheet "$out/loops.png"
echo "16 loops are in $out/Pack/Loops, their spectrograms in $out/loops.png: a demonstration of the machinery, trained for minutes."
