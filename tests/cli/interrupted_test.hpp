// A fixture for runs on a tiny model that are interrupted, or looked at afterwards.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {

/// A folder for each test, with model/, train.jsonl and valid.jsonl.
class InterruptedTest : public testing::Test {
 protected:
  void SetUp() override {
    make_tiny_model(scratch_ / "parts", scratch_ / "model");
    io::put(scratch_ / "train.jsonl", counting_records(40));
    io::put(scratch_ / "valid.jsonl", counting_records(5));
  }
  [[nodiscard]] std::string path(std::string_view name) const { return scratch_ / name; }
  [[nodiscard]] std::vector<std::string> run_of(std::string steps, std::string_view out,
                                                const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"train",
                                    "--model",
                                    path("model"),
                                    "--data",
                                    path("train.jsonl"),
                                    "--out",
                                    path(out),
                                    "--steps",
                                    std::move(steps),
                                    "--lr",
                                    "0.01",
                                    "--dtype",
                                    "f32",
                                    "--max-seq-length",
                                    "64",
                                    "--rank",
                                    "4",
                                    "--threads",
                                    "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// Whether the run in "out" has written so many lines of its log.
  [[nodiscard]] std::function<bool()> lines_of_log(std::ptrdiff_t count) const {
    return [this, count] { return log_lines() >= count; };
  }
  /// Whether it has written so many more than there are now: an earlier run may have got far before its
  /// signal came.
  [[nodiscard]] std::function<bool()> more_lines_of_log(std::ptrdiff_t count) const {
    return lines_of_log(log_lines() + count);
  }
  [[nodiscard]] std::ptrdiff_t log_lines() const {
    const std::string log = io::get(path("out") + "/log.jsonl");
    return std::count(log.begin(), log.end(), '\n');
  }

  io::ScratchFolder scratch_;
};

}  // namespace lorry::cli
