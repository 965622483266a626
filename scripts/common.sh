# shellcheck shell=bash
# common.sh: what every script here needs. Sourced, never run; the caller has set -euo pipefail.
# Leaves the shell in the repository's root.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# A headline between two steps, to standard error so that a script's own output stays clean.
say() { printf '\n== %s\n' "$*" >&2; }

# fail MESSAGE: one line on standard error and a non-zero exit.
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# How many jobs to build and test with: one per processor this process may use, LORRY_JOBS overrides.
jobs_wanted() { printf '%s\n' "${LORRY_JOBS:-$(nproc)}"; }

# Every C++ file of ours, one per line; works without git (a source archive has no .git).
cpp_sources() {
  find src tests bench demo -type f \( -name '*.cpp' -o -name '*.hpp' \) | LC_ALL=C sort
}

# Every shell script of ours, one per line.
shell_sources() {
  { find scripts docs/experiments -type f; find demo tests bench -type f -name '*.sh' 2>/dev/null; printf '%s\n' .ci/run; } |
    LC_ALL=C sort | while IFS= read -r file; do
    case "$(head -n 1 "$file")" in
      '#!'*bash* | '#!'*/sh) printf '%s\n' "$file" ;;
      *) if [[ "$file" == *.sh ]]; then printf '%s\n' "$file"; fi ;;
    esac
  done
}
