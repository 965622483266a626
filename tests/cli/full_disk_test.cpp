// A disk that fills at any write of a run: one clear line, the last checkpoint intact, and once there is room
// the run goes on to the same bytes. On a small tmpfs, which root alone may mount.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "io/io_support.hpp"
#include "io/small_disk.hpp"

namespace lorry::cli {
namespace {

namespace fs = std::filesystem;

/// Log lines without what clocks say.
std::string without_clocks(const std::string& log) {
  std::string text;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json json = nlohmann::json::parse(line);
    json.erase("seconds");
    json.erase("tokens_per_second");
    text += json.dump() + "\n";
  }
  return text;
}

TEST(FullDisk, AtAnyWriteLeavesTheLastCheckpointAndResumes) {
  const io::ScratchFolder scratch;
  make_tiny_model(scratch / "parts", scratch / "model");
  io::put(scratch / "train.jsonl", counting_records(40));
  io::put(scratch / "valid.jsonl", counting_records(5));
  const io::SmallDisk disk(scratch / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs here: " << disk.reason();
  const auto command = [&](const fs::path& out) -> std::vector<std::string> {
    return {"train",
            "--model",
            scratch / "model",
            "--data",
            scratch / "train.jsonl",
            "--eval-data",
            scratch / "valid.jsonl",
            "--out",
            out,
            "--steps",
            "6",
            "--eval-steps",
            "2",
            "--save-steps",
            "1",
            "--save-total-limit",
            "2",
            "--load-best-model-at-end",
            "--xray-steps",
            "2",
            "--lr",
            "0.01",
            "--dtype",
            "f32",
            "--max-seq-length",
            "64",
            "--rank",
            "2",
            "--threads",
            "1",
            "--resume"};
  };
  ASSERT_EQ(run_lorry(command(scratch / "whole")).code, 0);
  const std::string adapter = io::get(scratch / "whole" / "adapter_model.safetensors");
  const std::string log = without_clocks(io::get(scratch / "whole" / "log.jsonl"));
  const fs::path out = scratch / "disk" / "out";
  constexpr int kEnough = 16 << 10;
  int failures = 0;
  int with_checkpoint = 0;
  // From no room for the first file to room for all of them: each size fails at some write of its own.
#ifdef LORRY_SANITIZED
  constexpr int kGrowth = 32;
#else
  constexpr int kGrowth = 8;
#endif
  for (int kib = 4;; kib += kGrowth) {
    disk.resize(kib);
    const Outcome outcome = run_lorry(command(out));
    if (outcome.code == 0) break;
    ++failures;
    ASSERT_EQ(outcome.code, 1) << outcome.err;
    const std::string last_line = outcome.err.substr(outcome.err.rfind("error: "));
    EXPECT_NE(last_line.find("No space left on device"), std::string::npos) << outcome.err;
    EXPECT_NE(last_line.find((scratch / "disk").string()), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(last_line.begin(), last_line.end(), '\n'), 1) << outcome.err;
    bool checkpoint = false;
    if (fs::exists(out)) {
      for (const auto& entry : fs::directory_iterator(out)) {
        checkpoint = checkpoint || entry.path().filename().string().starts_with("checkpoint-");
      }
    }
    with_checkpoint += checkpoint ? 1 : 0;
    // The last files, the page among them, are written when the adapter is there.
    const bool finished = fs::exists(out / "adapter_model.safetensors");
    disk.resize(kEnough);
    const Outcome resumed = run_lorry(command(out));
    ASSERT_EQ(resumed.code, 0) << kib << " KiB: " << resumed.err;
    EXPECT_EQ(resumed.err.find("resuming") != std::string::npos, checkpoint && !finished) << resumed.err;
    EXPECT_EQ(resumed.out.find("already finished") != std::string::npos, finished) << resumed.err;
    EXPECT_TRUE(fs::exists(out / "report.html")) << kib << " KiB";
    EXPECT_TRUE(io::get(out / "adapter_model.safetensors") == adapter) << kib << " KiB";
    EXPECT_EQ(without_clocks(io::get(out / "log.jsonl")), log) << kib << " KiB";
    disk.clear();
  }
  EXPECT_GT(failures, 4);
  EXPECT_GT(with_checkpoint, 1);
  EXPECT_TRUE(io::get(out / "adapter_model.safetensors") == adapter);
}

}  // namespace
}  // namespace lorry::cli
