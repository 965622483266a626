// A fixture for what runs the program on a tiny model and five records.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {

using Arguments = std::vector<std::string>;

/// One folder for all tests of a suite, with model/ and data.jsonl.
class TinyModelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    io::put(path("data.jsonl"), counting_records(5));
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }
  static Outcome run(Arguments arguments, const Arguments& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lorry(arguments);
  }
  /// What stands in the folder.
  static std::vector<std::string> names() { return scratch_->names(); }
  /// Three steps on the records, to OUT in the folder.
  static Outcome train(const std::string& out, const Arguments& more) {
    return run({"train", "--model", path("model"), "--data", path("data.jsonl"), "--out", path(out),
                "--dtype", "f32", "--threads", "1", "--max-seq-length", "64", "--steps", "3"},
               more);
  }
  /// Makes `part` what `whole`, which saved every two steps, was after its second.
  static void cut_short(const std::string& whole, const std::string& part) {
    std::filesystem::create_directory(path(part));
    for (const char* name : {"/checkpoint-2", "/log.jsonl"}) {
      std::filesystem::copy(path(whole) + name, path(part) + name);
    }
  }
  /// A copy of the model to be broken.
  static std::filesystem::path copy_model(const std::string& name) {
    std::filesystem::copy(path("model"), path(name));
    return path(name);
  }
  /// Refused with `words`, and nothing half-written at `out`.
  static void expect_refusal(const Outcome& outcome, const std::string& words, const std::string& out) {
    EXPECT_TRUE(outcome.code == 1 || outcome.code == 2) << outcome.code << outcome.err;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err << "  lacks: " << words;
    EXPECT_FALSE(std::filesystem::exists(path(out))) << "half-written";
  }

 private:
  static inline std::unique_ptr<io::ScratchFolder> scratch_;
};

}  // namespace lorry::cli
