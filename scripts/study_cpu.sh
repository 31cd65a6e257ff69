#!/bin/sh
# The whole study from nothing: render the corpus, prepare it, train every row, make the tables: OUT/study/study.md (curves),
# OUT/compare/compare.md (the whole test split), OUT/audio.md (finished audio).
# Usage, with the environment active: scripts/study_cpu.sh MATERIAL OUT [more options of `loopwright study`]
# MATERIAL holds groove/ and oneshots/; the networks' weights are in LOOPWRIGHT_WEIGHTS or in a folder `weights` beside MATERIAL.
# Interrupted, the same command goes on. Our finished runs are in docs/results/paper-cpu: with --record docs/results/paper-cpu only what is
# missing there is trained, without it everything. On two cores the full study takes days; try it first with: --kimg 2 --seeds 0
set -eu
material=$1
out=$2
shift 2
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OMP_WAIT_POLICY=PASSIVE
export LOOPWRIGHT_WEIGHTS="${LOOPWRIGHT_WEIGHTS:-$material/../weights}"
mkdir -p "$out"
if [ ! -e "$out/corpus/loops.csv" ]; then
    loopwright corpus drums --groove "$material/groove" --oneshots "$material/oneshots" -o "$out/corpus" -n 15000 --seed 0
fi
if [ ! -e "$out/prepared/stats.json" ]; then
    loopwright prepare "$out/corpus" --repr loop16 -o "$out/prepared"
fi
loopwright study paper-cpu --data "$out/prepared" -o "$out/study" --threads "$OMP_NUM_THREADS" "$@"
set --
for run in "$out"/study/runs/*-seed*; do
    # a run that failed at once has only its untrained generator to show: study.md says why
    [ "$(cat "$run"/*/metrics.jsonl | wc -l)" -gt 1 ] && set -- "$@" "$run"
done
[ $# -gt 0 ] || exit 0 # all is in the record
python "$(dirname "$0")/compare_runs.py" "$out/prepared" "$@" -o "$out/compare"
for run in "$@"; do
    run=$(echo "$run"/*/)
    [ -e "$run/evaluation/evaluation.json" ] || loopwright evaluate "$out/prepared" "$run" -n 250 --judge yamnet,musicnn,scnn_loop \
        --metrics fad,kad,density,coverage,is,loops --no-pictures --threads "$OMP_NUM_THREADS"
done
loopwright table "$@" > "$out/audio.md"
