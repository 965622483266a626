// --memory-budget with more micro-batches than their block inputs fit into it: those go to a scratch file, to
// the same bits, and whatever ends the run leaves nothing of the file.
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <csignal>

#include "cli/program.hpp"
#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "io/small_disk.hpp"

namespace lorry::cli {
namespace {

namespace fs = std::filesystem;

constexpr Index kMebibyte = Index{1} << 20;
constexpr Index kBlocks = 16;
constexpr Index kMicroBatches = 6;
constexpr Index kRows = 256;  // of a micro-batch, at most
constexpr Index kHidden = 512;
constexpr Index kInput = kRows * kHidden * 4;  // bytes of a block's input

/// A model whose block inputs, 48 MiB, are most of what a step takes: blocks are small.
class ScratchBudget : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    write_tiny_parts(path("parts"));
    io::Json config = io::read_json_file(path("parts") + "/config.json");
    config["hidden_size"] = kHidden;
    config["intermediate_size"] = 32;
    config["num_hidden_layers"] = kBlocks;
    config["num_attention_heads"] = 4;
    config["num_key_value_heads"] = 1;
    config["head_dim"] = 32;
    io::write_json_file(path("parts") + "/config.json", config);
    const Outcome made = run_lorry({"init", "--config", path("parts") + "/config.json", "--tokenizer",
                                    path("parts"), "--out", path("model"), "--dtype", "f32"});
    ASSERT_EQ(made.code, 0) << made.err;
    io::put(path("data.jsonl"), counting_records(200));
    whole_ = run(command("whole"));
    ASSERT_EQ(whole_.code, 0) << whole_.err;
    std::vector<std::string> refused = command("refused");
    refused.insert(refused.end(), {"--memory-budget", "8MiB"});
    // What is printed is rounded, and what the program itself takes is not the same every time.
    least_ = bytes_of(least_of(run_lorry(refused))) + kMebibyte;
    EXPECT_FALSE(fs::exists(path("refused")));
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }
  static Outcome run(const std::vector<std::string>& arguments) { return run_lorry(arguments); }
  static std::vector<std::string> command(const fs::path& out) {
    return {"train",
            "--model",
            path("model"),
            "--data",
            path("data.jsonl"),
            "--out",
            out.is_absolute() ? out.string() : path(out.string()),
            "--steps",
            "4",
            "--batch-size",
            "2",
            "--grad-accumulation-steps",
            std::to_string(kMicroBatches),
            "--max-seq-length",
            std::to_string(kRows / 2),
            "--target-modules",
            "q_proj,v_proj",
            "--rank",
            "2",
            "--lora-dropout",
            "0.1",
            "--dtype",
            "f32",
            "--threads",
            "1",
            "--save-steps",
            "1",
            "--save-total-limit",
            "1",
            "--resume",
            "--report-to",
            "none",
            "--json"};
  }
  static std::vector<std::string> within(const fs::path& out, Index budget) {
    std::vector<std::string> all = command(out);
    all.insert(all.end(), {"--memory-budget", std::to_string(budget)});
    return all;
  }
  /// Losses of all steps.
  static std::vector<double> losses_of(const fs::path& out) {
    std::vector<double> losses;
    std::istringstream lines(io::get(out / "log.jsonl"));
    for (std::string line; std::getline(lines, line);) losses.push_back(io::Json::parse(line).at("loss"));
    return losses;
  }
  static void expect_whole(const fs::path& out) {
    EXPECT_TRUE(io::get(out / "adapter_model.safetensors") ==
                io::get(path("whole") + "/adapter_model.safetensors"))
        << out;
    EXPECT_EQ(losses_of(out), losses_of(path("whole")));
  }
  /// One line of error, that names the folder.
  static void expect_full(const Outcome& outcome, const fs::path& folder) {
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    const std::size_t at = outcome.err.find("error: ");
    ASSERT_NE(at, std::string::npos) << outcome.err;
    const std::string line = outcome.err.substr(at);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << outcome.err;
    EXPECT_NE(line.find(folder.string() + ": file for block inputs: cannot reserve "), std::string::npos)
        << line;
    EXPECT_NE(line.find("No space left on device"), std::string::npos) << line;
  }
  static Index free_bytes(const fs::path& disk) {
    struct statvfs room = {};
    EXPECT_EQ(::statvfs(disk.c_str(), &room), 0);
    return static_cast<Index>(room.f_bfree) * static_cast<Index>(room.f_frsize);
  }

  static inline Outcome whole_;
  static inline Index least_ = 0;  // the smallest budget that is accepted

 private:
  static inline std::unique_ptr<io::ScratchFolder> scratch_;
};

TEST_F(ScratchBudget, TheLeastBudgetHoldsTheRunAndGivesTheSameBits) {
  const Outcome outcome = run(within("least", least_));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const io::Json report = io::Json::parse(outcome.out);
  expect_whole(path("least"));
#ifndef LORRY_SANITIZED  // there freed memory stays resident
  EXPECT_LE(report["peak_rss_bytes"].get<Index>(), least_);
#endif
  EXPECT_GT(io::Json::parse(whole_.out)["peak_rss_bytes"].get<Index>(), 0);
  // All inputs but the last output, of batches that are not always full.
  const io::Json& streaming = report["streaming"];
  const Index all = kBlocks * kMicroBatches * kInput;
  EXPECT_GT(streaming["scratch_bytes_written"].get<Index>(), all / 2);
  EXPECT_LE(streaming["scratch_bytes_written"].get<Index>(), all);
  EXPECT_EQ(streaming["scratch_bytes_read"], streaming["scratch_bytes_written"]);
  EXPECT_TRUE(streaming["scratch_seconds_waited"].is_number());
  for (const auto& entry : fs::directory_iterator(path("least"))) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
  }
}

TEST_F(ScratchBudget, MoreMemoryLeavesFewerInTheFileAndThenNone) {
  const auto written = [](const std::string& out, Index budget) {
    const Outcome outcome = run_lorry(within(out, budget));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    expect_whole(path(out));
    const io::Json report = io::Json::parse(outcome.out);
#ifndef LORRY_SANITIZED
    EXPECT_LE(report["peak_rss_bytes"].get<Index>(), budget);
#endif
    return report.contains("streaming") ? report["streaming"].value("scratch_bytes_written", Index{0}) : 0;
  };
  const Index some = written("some", least_ + 16 * kMebibyte);
  EXPECT_GT(some, 0);
  EXPECT_LT(some, (kBlocks - 2) * kMicroBatches * kInput);
  EXPECT_EQ(written("none", least_ + 60 * kMebibyte), 0);
}

TEST_F(ScratchBudget, EstimateForetellsMemoryAndFile) {
  std::vector<std::string> estimate = within("none", least_);
  estimate.front() = "estimate";
  const Outcome outcome = run(estimate);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const io::Json json = io::Json::parse(outcome.out);
  const Index file = kBlocks * kMicroBatches * kInput;
  EXPECT_EQ(json["memory"]["scratch_file"], file);
  EXPECT_LE(json["memory"]["total"].get<Index>(), least_);
  EXPECT_EQ(json["streaming"]["scratch_bytes_written"], file);
  EXPECT_EQ(json["streaming"]["scratch_bytes_read"], file);
  estimate.pop_back();
  estimate.back() = "--memory-only";
  estimate.erase(std::find(estimate.begin(), estimate.end(), "--json"));
  const Outcome resident = run(estimate);
  EXPECT_EQ(resident.out.find("scratch file"), std::string::npos) << resident.out;
  estimate.insert(estimate.end(), {"--memory-budget", std::to_string(least_)});
  EXPECT_NE(run(estimate).out.find("on the disk: 48.0 MiB of block inputs, in a scratch file"),
            std::string::npos);
}

TEST_F(ScratchBudget, AFullDiskIsSaidBeforeTheFirstStepAndLeavesTheCheckpoint) {
  const io::SmallDisk disk(path("full"));
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs here: " << disk.reason();
  const fs::path out = path("full") + "/out";
  constexpr int kLittle = 16 << 10;
  constexpr int kEnough = 64 << 10;
  disk.resize(kLittle);
  expect_full(run(within(out, least_)), out);
  EXPECT_FALSE(fs::exists(out));  // nothing was written into it
  disk.resize(kEnough);
  const auto ready = [&] { return has_checkpoint(out); };
  ASSERT_EQ(run_lorry(within(out, least_), ready, SIGKILL).code, 128 + SIGKILL);
  disk.resize(kLittle);
  expect_full(run(within(out, least_)), out);
  EXPECT_TRUE(has_checkpoint(out));
  disk.resize(kEnough);
  const Outcome resumed = run(within(out, least_));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("resuming"), std::string::npos) << resumed.err;
  expect_whole(out);
}

TEST_F(ScratchBudget, KilledOrInterruptedInTheMiddleOfAStepItLeavesNothingAndResumes) {
  const io::SmallDisk disk(path("killed"));
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs here: " << disk.reason();
  disk.resize(64 << 10);
  const Index empty = free_bytes(path("killed"));
  const fs::path out = path("killed") + "/out";
  for (const int signal : {SIGKILL, SIGINT}) {
    const std::size_t before = io::get(out / "log.jsonl").size();
    const auto ready = [&] {
      if (io::get(out / "log.jsonl").size() <= before || !has_checkpoint(out)) return false;
      ::usleep(20'000);  // into the next step
      return true;
    };
    Index during = 0;
    const auto ready_and_look = [&] {
      if (!ready()) return false;
      during = free_bytes(path("killed"));
      return true;
    };
    const Outcome outcome = run_lorry(within(out, least_), ready_and_look, signal);
    EXPECT_EQ(outcome.code, 128 + signal) << outcome.err;
    EXPECT_LT(during, empty - 40 * kMebibyte);
    EXPECT_GT(free_bytes(path("killed")), empty - 4 * kMebibyte);
    for (const auto& entry : fs::directory_iterator(out)) {
      EXPECT_FALSE(entry.path().filename().string().starts_with(".scratch")) << entry.path();
    }
  }
  const Outcome resumed = run(within(out, least_));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  expect_whole(out);
}

}  // namespace
}  // namespace lorry::cli
