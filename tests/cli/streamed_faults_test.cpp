// Runs whose quantised weights are read from the disk while they train, and what may happen to files, disk
// and process meanwhile: one clear line, checkpoints intact, and the same bytes in the end.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <random>

#include "cli/program.hpp"
#include "io/io_support.hpp"
#include "io/small_disk.hpp"

namespace lorry::cli {
namespace {

namespace fs = std::filesystem;

/// An NF4 model of 16 blocks, a budget that holds a few of them, and what a run left alone ends with.
class StreamedFaults : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    write_tiny_parts(path("parts"));
    nlohmann::json config = nlohmann::json::parse(io::get(path("parts") + "/config.json"));
    config["hidden_size"] = 384;
    config["intermediate_size"] = 1024;
    config["num_hidden_layers"] = 16;
    config["num_attention_heads"] = 8;
    config["num_key_value_heads"] = 8;
    io::put(path("parts") + "/config.json", config.dump());
    for (const char* seed : {"1", "2"}) {
      const Outcome made =
          run_lorry({"init", "--config", path("parts") + "/config.json", "--tokenizer", path("parts"),
                     "--format", "nf4", "--seed", seed, "--out", path(std::string("model-") + seed)});
      ASSERT_EQ(made.code, 0) << made.err;
    }
    io::put(path("data.jsonl"), counting_records(12));
    fs::copy(path("model-1"), path("model"));
    const Outcome whole = run_lorry(command("whole"));
    ASSERT_EQ(whole.code, 0) << whole.err;
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  void SetUp() override { restore(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }
  static std::string weights() { return path("model") + "/model.safetensors"; }
  /// Puts the model's file back.
  static void restore() {
    fs::remove(weights());
    fs::copy(path("model-1") + "/model.safetensors", weights());
  }
  /// Another model's file at its place, by rename.
  static void replace() {
    fs::copy(path("model-2") + "/model.safetensors", path("other"), fs::copy_options::overwrite_existing);
    fs::rename(path("other"), weights());
  }

  static std::vector<std::string> command(const fs::path& out) {
    return {"train",
            "--model",
            path("model"),
            "--data",
            path("data.jsonl"),
            "--out",
            out.is_absolute() ? out.string() : path(out.string()),
            "--steps",
            "8",
            "--batch-size",
            "1",
            "--grad-accumulation-steps",
            "3",
            "--target-modules",
            "q_proj,v_proj",
            "--rank",
            "2",
            "--max-seq-length",
            "32",
            "--dtype",
            "f32",
            "--threads",
            "1",
            "--save-steps",
            "2",
            "--save-total-limit",
            "2",
            "--resume",
            "--report-to",
            "none"};
  }
  /// The same within little more than the least that the program says it takes.
  static std::vector<std::string> streamed(const fs::path& out) {
    static const Index least = [] {
      std::vector<std::string> refused = command("refused");
      refused.insert(refused.end(), {"--memory-budget", "8MiB"});
      return bytes_of(least_of(run_lorry(refused)));
    }();
    std::vector<std::string> all = command(out);
    all.insert(all.end(), {"--memory-budget", std::to_string(least + (Index{4} << 20))});
    return all;
  }
  /// Runs until three steps are done, the second with a checkpoint, then does something to it, and lets it go
  /// on.
  static Outcome run_meddled(const std::string& out, const std::function<void()>& meddle) {
    const auto ready = [&] {
      const std::string log = io::get(path(out) + "/log.jsonl");
      if (std::count(log.begin(), log.end(), '\n') < 3) return false;
      meddle();
      return true;
    };
    return run_lorry(streamed(out), ready, 0);
  }
  static std::string result_of(const fs::path& out) { return io::get(out / "adapter_model.safetensors"); }
  /// One line of error, that names the file.
  static void expect_line(const Outcome& outcome, const std::string& file, const std::string& words) {
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    const std::size_t at = outcome.err.find("error: ");
    ASSERT_NE(at, std::string::npos) << outcome.err;
    const std::string line = outcome.err.substr(at);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << outcome.err;
    EXPECT_NE(line.find(file), std::string::npos) << line;
    EXPECT_NE(line.find(words), std::string::npos) << line << "  lacks: " << words;
  }
  /// Goes on to the end, with the bytes of a run left alone.
  static void expect_resumes(const fs::path& out) {
    const Outcome outcome = run_lorry(streamed(out));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const fs::path folder = out.is_absolute() ? out : fs::path(path(out.string()));
    EXPECT_TRUE(result_of(folder) == result_of(path("whole")));
  }

 private:
  static inline std::unique_ptr<io::ScratchFolder> scratch_;
};

TEST_F(StreamedFaults, AFileThatShrinksIsNamedAndTheRunGoesOnOnceItIsBack) {
  const auto size = static_cast<Index>(fs::file_size(weights()));
  // Nothing, a part of what is mapped (scales of scales, embedding), a part of what is streamed.
  for (const Index left : {Index{0}, Index{200'000}, size / 2}) {
    SCOPED_TRACE(left);
    restore();
    const std::string out = "shrunk-" + std::to_string(left);
    const Outcome outcome =
        run_meddled(out, [&] { fs::resize_file(weights(), static_cast<std::uintmax_t>(left)); });
    expect_line(outcome, weights(), "shortened");
    EXPECT_TRUE(has_checkpoint(path(out))) << left;
    EXPECT_FALSE(fs::exists(path(out) + "/adapter_model.safetensors"));
    // It says so before anything starts, too.
    expect_line(run_lorry(streamed(out)), path("model"), "");
    restore();
    expect_resumes(out);
  }
}

TEST_F(StreamedFaults, AFileThatVanishesOrIsReplacedIsReadToTheEnd) {
  const Outcome unlinked = run_meddled("unlinked", [] { fs::remove(weights()); });
  EXPECT_EQ(unlinked.code, 0) << unlinked.err;
  EXPECT_TRUE(result_of(path("unlinked")) == result_of(path("whole")));
  restore();
  const Outcome replaced = run_meddled("replaced", replace);
  EXPECT_EQ(replaced.code, 0) << replaced.err;
  EXPECT_TRUE(result_of(path("replaced")) == result_of(path("whole")));
}

TEST_F(StreamedFaults, AResumedRunRefusesAModelThatIsGoneOrAnother) {
  const auto stop = [](const std::string& out) {
    const auto ready = [&] { return has_checkpoint(path(out)); };
    return run_lorry(streamed(out), ready, SIGKILL).code;
  };
  ASSERT_EQ(stop("stopped"), 128 + SIGKILL);
  fs::remove(weights());
  expect_line(run_lorry(streamed("stopped")), path("model"), "found no weights");
  replace();
  expect_line(run_lorry(streamed("stopped")), path("stopped"), "the content of model has changed");
  restore();
  expect_resumes("stopped");
}

TEST_F(StreamedFaults, KilledInTheMiddleOfAStepItResumesToTheSameBytes) {
#ifdef LORRY_SANITIZED
  constexpr int kKills = 2;
#else
  constexpr int kKills = 5;
#endif
  std::mt19937 random(7);
  const auto log_bytes = [] { return io::get(path("killed") + "/log.jsonl").size(); };
  int killed = 0;
  for (int runs = 0; killed < kKills; ++runs) {
    ASSERT_LT(runs, 40) << "only " << killed << " were killed before they ended";
    const std::size_t before = log_bytes();
    const auto ready = [&] {
      if (log_bytes() <= before) return false;
      ::usleep(random() % 40'000);  // somewhere in the next step
      return true;
    };
    const int code = run_lorry(streamed("killed"), ready, SIGKILL).code;
    if (code == 128 + SIGKILL) ++killed;
    if (!fs::exists(path("killed") + "/adapter_model.safetensors")) continue;
    EXPECT_TRUE(result_of(path("killed")) == result_of(path("whole")));  // it came to its end
    if (killed < kKills) fs::remove_all(path("killed"));
  }
  expect_resumes("killed");
}

TEST_F(StreamedFaults, AFullDiskLeavesTheLastCheckpointAndTheRunGoesOn) {
  const io::SmallDisk disk(path("disk"));
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs here: " << disk.reason();
  const fs::path out = path("disk") + "/out";
  constexpr int kEnough = 16 << 10;
  int failures = 0;
  int with_checkpoint = 0;
  for (const int kib : {16, 300, 900, 1500}) {
    disk.resize(kib);
    const Outcome outcome = run_lorry(streamed(out));
    if (outcome.code == 0) break;
    ++failures;
    expect_line(outcome, path("disk"), "No space left on device");
    with_checkpoint += has_checkpoint(out) ? 1 : 0;
    disk.resize(kEnough);
    expect_resumes(out);
    disk.clear();
  }
  EXPECT_GE(failures, 3);
  EXPECT_GE(with_checkpoint, 1);
}

}  // namespace
}  // namespace lorry::cli
