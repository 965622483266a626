// The program as its users run it: arguments in, exit code and both outputs back.
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/index.hpp"

namespace lorry::cli {

struct Outcome {
  int code = -1;  // exit code; 128 + signal if it was killed
  std::string out;
  std::string err;
  std::ptrdiff_t peak_rss_bytes = 0;  // run_lorry_watched only; mapped pages too
};

/// Runs build/lorry in the current directory. `--threads 1` is the caller's to add: tests run side by side.
Outcome run_lorry(const std::vector<std::string>& arguments);
/// The same, with its VmHWM as it was last seen, a fraction of a millisecond before the end. (What wait4
/// tells counts what this process had when it forked.)
Outcome run_lorry_watched(const std::vector<std::string>& arguments);
/// The same, killed by SIGKILL where it takes longer than `seconds`.
Outcome run_lorry(const std::vector<std::string>& arguments, double seconds);
/// The same, with `signal` sent `times` times, each once `ready` says so; `ready` is asked again and again.
Outcome run_lorry(const std::vector<std::string>& arguments, const std::function<bool()>& ready, int signal,
                  int times = 1);

/// A folder with `config` and a byte-level tokenizer of 258 tokens (<s>, </s>, one per byte), written as
/// FOLDER/config.json and FOLDER/tokenizer.json: what `lorry init` makes a tiny model from.
void write_tiny_parts(const std::filesystem::path& folder);

/// `lorry init` on those parts: Llama, 2 layers of width 32, F32. Fails the test if that fails.
void make_tiny_model(const std::filesystem::path& parts, const std::filesystem::path& model);

/// Records of a simple rule, `count` of them: {"prompt": "say 3:", "completion": " three"}.
std::string counting_records(int count);

/// Whether a run's folder holds a checkpoint; false where there is no folder.
bool has_checkpoint(const std::filesystem::path& out);

/// The least that a refusal of a --memory-budget names, such as "63.4 MiB". Fails the test where there is
/// none.
std::string least_of(const Outcome& refused);
/// The bytes of such a text.
Index bytes_of(const std::string& text);

}  // namespace lorry::cli
