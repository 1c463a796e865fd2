#!/bin/sh
# The main job on the built-in data set, command by command, as `make demo` runs it.
# The manifest in the repository names every byte; the pixels are made here.
set -eu
bin="$PWD/.venv/bin"

run() {
    echo
    echo "\$ $*"
    command=$1
    shift
    "$bin/$command" "$@"
}

[ -f phantom/truth.csv ] || { rm -rf phantom; run curate demo phantom --n 80 --size 512 --seed 0 --workers 2; }

if ! run curate verify v1; then
    echo
    echo "The films made here are not, byte for byte, those that the committed manifest names: a numeric library or"
    echo "the processor rounds otherwise. Nothing is wrong with them; the demo goes on with a manifest of its own,"
    echo "in phantom/."
    cd phantom
    [ -f data_manifest.yaml ] || run curate init --workers 2
fi

# Each step below is in the committed manifest already, so it says so and does nothing; on data of your own it works.
run curate flag-outliers v1
run curate drop --from v1 --flag rotation exposure inverted duplicate label-missing label-geometry
run augment mosaic --from v2 --n 120 --seed 0 --workers 2
run augment rebuild v3 --workers 2
run curate verify v3
run curate versions
run train --manifest v3 --against v1 --config demo --seeds 2
