#!/usr/bin/env bash
# The installed tree is whole: installs BUILD to a scratch prefix, builds examples/ against it alone, runs it.
#
#   tests/install/install_test.sh SOURCE BUILD
set -euo pipefail
source_folder=$1
build_folder=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build_folder" --prefix "$scratch/installed" >"$scratch/log"
# The example is copied away, so that nothing of the source tree is in reach of its includes.
cp -r "$source_folder/examples" "$scratch/examples"
(($(wc -l <"$scratch/examples/fine_tune.cpp") <= 60)) || { echo "examples/fine_tune.cpp has over 60 lines" >&2; exit 1; }
cmake -S "$scratch/examples" -B "$scratch/build" -G Ninja -DCMAKE_PREFIX_PATH="$scratch/installed" >"$scratch/log"
cmake --build "$scratch/build" >"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }

head -n 100 "$source_folder/demo/data/train.jsonl" >"$scratch/few.jsonl"
text=$("$scratch/build/fine_tune" "$source_folder/demo/model" "$scratch/few.jsonl" "$scratch/adapter" \
  $'boat = Gull; kind = ferry\n' 2>"$scratch/log") || { cat "$scratch/log" >&2; exit 1; }
[[ -n "$text" ]] || { echo "the example generated nothing" >&2; exit 1; }
grep -q '^step 20  loss [0-9.]*$' "$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
[[ -s "$scratch/adapter/adapter_model.safetensors" ]] || { echo "the example wrote no adapter" >&2; exit 1; }
# Its adapter is one that the installed program reads.
"$scratch/installed/bin/lorry" inspect "$scratch/adapter" --json | grep -q '"rank": 4,' || { echo "the installed lorry sees no rank 4" >&2; exit 1; }
# The manual page and the completions came along.
grep -q 'max\\-seq\\-length' "$scratch/installed/share/man/man1/lorry.1"
grep -q 'max-seq-length' "$scratch/installed/share/bash-completion/completions/lorry"
grep -q 'max-seq-length' "$scratch/installed/share/zsh/vendor-completions/_lorry"
# Another minor version is refused.
sed -i 's/find_package(lorry 0.1 REQUIRED)/find_package(lorry 0.2 REQUIRED)/' "$scratch/examples/CMakeLists.txt"
if cmake -S "$scratch/examples" -B "$scratch/refused" -DCMAKE_PREFIX_PATH="$scratch/installed" >"$scratch/log" 2>&1; then
  echo "find_package(lorry 0.2) took version 0.1" >&2
  exit 1
fi
grep -q 'version: 0.1' "$scratch/log"
