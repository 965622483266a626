// train/samples.hpp: what the model writes as training goes on: the same prompts again and again, greedily,
// so that nothing but the training makes the difference.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/run.hpp"

namespace lorry::train {

inline constexpr Index kDefaultSampleTokens = 64;

struct SampleOptions {
  std::vector<std::string> prompts;
  Index every = 0;                              // steps; 0: before the first one and after the last one only
  Index max_new_tokens = kDefaultSampleTokens;  // at least 1
};

/// Texts at one moment.
struct SampleReport {
  struct Sample {
    std::string prompt, text;
    Index tokens = 0;      // of the text
    bool stopped = false;  // the model ended it
  };
  Index step = 0;  // optimiser steps done
  std::vector<Sample> samples;
  double seconds = 0;
};

/// Each of `texts` is a prompt, or the file of them that its name's end says it is (.jsonl, .txt; see
/// data/prompts.hpp). Throws Error for a file that cannot be read, or a text that is not UTF-8.
std::vector<std::string> read_sample_prompts(const std::vector<std::string>& texts);

/// Writes the samples of a run into its log; for RunObserver::monitor. Training goes on to the same bits as
/// without. Where the run learns conversations a prompt is what the user says, in the template of the data;
/// else it is continued, as `lorry generate` does.
class Samples {
 public:
  /// `on_report` may be empty.
  Samples(SampleOptions options, std::function<void(const SampleReport&)> on_report);

  /// Generates before the first step, after every so many, and after the last one. Throws Error where a
  /// prompt is empty or leaves no room for the text.
  void look(const LiveRun& run);

 private:
  SampleOptions options_;
  std::function<void(const SampleReport&)> on_report_;
  std::optional<Index> last_;  // step of the latest samples
};

/// The line of log.jsonl: {"step", "seconds", "samples": [{"prompt", "text", "tokens", "stopped"}]}.
io::OrderedJson to_json(const SampleReport& report);

}  // namespace lorry::train
