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

[ -f phantom/truth.csv ] || run curate demo phantom --n 80 --size 512 --seed 0 --workers 2
[ -f data_manifest.yaml ] || run curate init --name phantom --images phantom/train/DCM \
    --labels phantom/train/outputs_json --meta phantom/meta_data.xlsx --workers 2

if ! run curate verify v1; then
    echo
    echo "The films made here are not, byte for byte, those that the committed manifest names: a numeric library or"
    echo "the processor rounds otherwise. Nothing is wrong with them; the demo goes on with a manifest of its own,"
    echo "in phantom/."
    cd phantom
    [ -f data_manifest.yaml ] || run curate init --workers 2
fi

# Where the committed manifest holds a step already, the command says so and does nothing. On your data each works.
run curate flag-outliers v1 || true # exit code 2 when a film cannot be read: it is listed, and the rest goes on
run curate drop --from v1 --flag rotation exposure inverted duplicate label-missing label-swapped label-misplaced
run augment mosaic --from v2 --n 120 --seed 0 --workers 2
run augment rebuild v3 --workers 2
run curate verify v3
run curate versions
run train --manifest v3 --against v1 --config demo --seeds 2
