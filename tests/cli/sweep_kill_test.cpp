// `lorry sweep` killed again and again, wherever it happens to be: what is there is whole, and the end is
// that of a sweep left alone.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

class SweepKill : public testing::Test {
 protected:
  void SetUp() override {
    make_tiny_model(scratch_ / "parts", scratch_ / "model");
    io::put(scratch_ / "train.jsonl", counting_records(20));
    io::put(scratch_ / "valid.jsonl", counting_records(5));
    io::put(scratch_ / "sweep.yaml", "model: " + path("model") + "\ndata: " + path("train.jsonl") +
                                         "\neval_data: " + path("valid.jsonl") +
                                         "\nsteps: 4\nlr: 0.01\nmax_seq_length: 64\ndtype: f32\nthreads: 1\n"
                                         "grid: {target_modules: [q_proj], rank: [1, 2], seed: [1, 2]}\n"
                                         "rows: [{method: full, lr: 0.001}]\n");
  }

  [[nodiscard]] std::string path(std::string_view name) const { return scratch_ / name; }
  [[nodiscard]] std::vector<std::string> arguments(std::string_view out) const {
    return {"sweep", "--config", path("sweep.yaml"), "--out", path(out)};
  }
  /// Every file of OUT's cells but their times, by its path below OUT.
  [[nodiscard]] std::map<std::string, std::string> cells(std::string_view out) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(path(out) + "/cells")) {
      const fs::path& file = entry.path();
      if (entry.is_directory() || file.filename() == "log.jsonl") continue;
      std::string content = io::get(file);
      if (file.filename() == "result.json") {
        Json json = Json::parse(content);
        for (const char* key : {"seconds", "wall_seconds", "tokens_per_second", "peak_rss_bytes"}) {
          json.erase(key);
        }
        content = json.dump();
      }
      files[fs::relative(file, path(out)).string()] = std::move(content);
    }
    return files;
  }
  /// Fails unless every cell that has its name is whole, and every report can be read; the number of cells.
  [[nodiscard]] int count_whole(std::string_view out) const {
    const fs::path cells = path(out) + "/cells";
    if (!fs::exists(cells)) return 0;
    int count = 0;
    for (const auto& cell : fs::directory_iterator(cells)) {
      if (cell.path().filename().string().starts_with('.')) continue;
      ++count;
      const bool full = cell.path().filename().string().starts_with("full");
      EXPECT_TRUE(Json::accept(io::get(cell.path() / "result.json"))) << cell;
      EXPECT_TRUE(fs::exists(cell.path() / (full ? "model.safetensors" : "adapter_model.safetensors")));
    }
    const fs::path report = path(out) + "/report.json";
    EXPECT_TRUE(!fs::exists(report) || Json::accept(io::get(report)));
    return count;
  }

  io::ScratchFolder scratch_;
};

TEST_F(SweepKill, CtrlCSaysWhatIsFinishedAndHowToGoOn) {
  std::vector<std::string> command = arguments("stopped");
  command.insert(command.end(), {"--steps", "100000"});
  const Outcome outcome = run_lorry(
      command, [this] { return fs::exists(path("stopped") + "/report.json"); }, SIGINT);
  EXPECT_EQ(outcome.code, 128 + SIGINT) << outcome.err;
  EXPECT_NE(outcome.err.find("stopped: 0 of 6 cells are finished; the same command goes on with the next\n"),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(count_whole("stopped"), 0);
}

TEST_F(SweepKill, AtAnyMomentLosesNothingThatWasFinished) {
  ASSERT_EQ(run_lorry(arguments("whole")).code, 0);
  const std::map<std::string, std::string> whole = cells("whole");
  int kills = 0;
  int finished = 0;
  // Times grow, so that some run comes to the end on the slowest machine.
  for (double seconds = 0.002;; seconds *= 1.2) {
    const Outcome outcome = run_lorry(arguments("killed"), seconds);
    const int now = count_whole("killed");
    EXPECT_GE(now, finished);
    finished = now;
    if (outcome.code == 0) break;
    ASSERT_EQ(outcome.code, 128 + 9) << outcome.err;
    ++kills;
  }
  EXPECT_GT(kills, 3);
  EXPECT_EQ(cells("killed"), whole);  // temporaries of killed runs are gone too
}

}  // namespace
}  // namespace lorry::cli
