// `lorry train` killed, interrupted and taken up again, as its users see it.
#include <gtest/gtest.h>
#include <sys/file.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/interrupted_test.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

class ResumeCommand : public InterruptedTest {
 protected:
  [[nodiscard]] std::vector<std::string> arguments(std::string_view out,
                                                   const std::vector<std::string>& more = {}) const {
    return run_of("12", out, more);
  }
  /// Enough steps that a signal finds it at work on any machine.
  [[nodiscard]] std::vector<std::string> long_run(std::vector<std::string> more = {}) const {
    std::vector<std::string> all = arguments("out", {"--resume"});
    *(std::find(all.begin(), all.end(), "--steps") + 1) = "100000";
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(ResumeCommand, CtrlCAndTerminationSaveAndLeaveWithTheirCodes) {
  std::ptrdiff_t lines = 3;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const Outcome outcome = run_lorry(long_run(), lines_of_log(lines), signal);
    EXPECT_EQ(outcome.code, 128 + signal) << outcome.err;
    EXPECT_NE(outcome.err.find("stopping after this step, with a checkpoint"), std::string::npos)
        << outcome.err;
    const std::string log = io::get(path("out") + "/log.jsonl");
    const std::ptrdiff_t steps = std::count(log.begin(), log.end(), '\n');
    EXPECT_GE(steps, lines);
    const std::string checkpoint = path("out") + "/checkpoint-" + std::to_string(steps);
    EXPECT_TRUE(fs::exists(checkpoint + "/adapter_model.safetensors")) << checkpoint;
    EXPECT_NE(outcome.err.find("stopped after step " + std::to_string(steps) + "; " + checkpoint +
                               " holds its state, and the same command with --resume goes on\n"),
              std::string::npos)
        << outcome.err;
    EXPECT_EQ(outcome.out, "");
    lines = steps + 3;
  }
}

TEST_F(ResumeCommand, TheSecondSignalEndsItAtOnce) {
  // In one step of a hundred thousand batches nobody wants to wait for its end.
  const Outcome outcome = run_lorry(
      long_run({"--grad-accumulation-steps", "100000", "--batch-size", "64"}),
      [this] { return fs::exists(path("out") + "/train.yaml"); }, SIGINT, 2);
  EXPECT_EQ(outcome.code, 128 + SIGINT) << outcome.err;
  EXPECT_EQ(outcome.err.find("stopped after"), std::string::npos) << outcome.err;
}

TEST_F(ResumeCommand, TheSameCommandBeginsGoesOnAndIsDone) {
  const Outcome whole = run_lorry(arguments("whole", {"--json"}));
  ASSERT_EQ(whole.code, 0) << whole.err;
  const std::vector<std::string> command = arguments("out", {"--resume", "--json", "--save-steps", "5"});
  const Outcome stopped = run_lorry(command, lines_of_log(1), SIGTERM);
  ASSERT_TRUE(stopped.code == 128 + SIGTERM || stopped.code == 0) << stopped.err;
  const Outcome resumed = run_lorry(command);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(resumed.err.find("resuming  after step ") != std::string::npos, stopped.code != 0) << resumed.err;
  EXPECT_TRUE(io::get(path("out") + "/adapter_model.safetensors") ==
              io::get(path("whole") + "/adapter_model.safetensors"));
  const Outcome done = run_lorry(command);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(Json::parse(done.out).at("already_finished"), true);
  for (const char* field : {"loss", "steps", "trainable_parameters"}) {
    EXPECT_EQ(Json::parse(done.out).at(field), Json::parse(whole.out).at(field)) << field;
  }
  const Outcome text = run_lorry(arguments("out", {"--resume"}));
  EXPECT_EQ(text.code, 0);
  EXPECT_TRUE(text.out.starts_with("already finished; nothing was done\n")) << text.out;
}

TEST_F(ResumeCommand, TheConfigThatARunWroteResumesItToo) {
  ASSERT_EQ(run_lorry(long_run(), lines_of_log(2), SIGINT).code, 130);
  const std::string yaml = path("out") + "/train.yaml";
  EXPECT_EQ(io::get(yaml).find("resume"), std::string::npos);
  const Outcome outcome =
      run_lorry({"train", "--config", yaml, "--out", path("out"), "--resume"}, more_lines_of_log(3), SIGINT);
  EXPECT_EQ(outcome.code, 130) << outcome.err;
  EXPECT_NE(outcome.err.find("resuming"), std::string::npos) << outcome.err;
}

TEST_F(ResumeCommand, AFolderInUseIsRefusedAndOneOfADeadProcessIsNot) {
  ASSERT_EQ(run_lorry(long_run({"--save-steps", "1"}), lines_of_log(3), SIGKILL).code, 128 + SIGKILL);
  {
    const int folder = ::open(path("out").c_str(), O_RDONLY | O_DIRECTORY);
    ASSERT_EQ(::flock(folder, LOCK_EX | LOCK_NB), 0) << "the dead one holds nothing";
    const Outcome outcome = run_lorry(long_run());
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("another run is writing there"), std::string::npos) << outcome.err;
    ::close(folder);
  }
  EXPECT_EQ(run_lorry(long_run({"--save-steps", "1"}), more_lines_of_log(3), SIGINT).code, 130);
}

TEST_F(ResumeCommand, AResultThatIsNotFiniteStopsTheRun) {
  std::vector<std::string> command = arguments("out", {"--save-steps", "1", "--max-grad-norm", "0"});
  *(std::find(command.begin(), command.end(), "--lr") + 1) = "1e36";
  const Outcome outcome = run_lorry(command);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("not finite from "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("the last good state is " + path("out") + "/checkpoint-"), std::string::npos)
      << outcome.err;
}

/// scripts/kill_test in small: the real program, killed at random moments.
TEST(KillTest, ResumesToTheSameBytes) {
#ifdef LORRY_SANITIZED
  const std::string kills = "4";
#else
  const std::string kills = "12";
#endif
  const io::ScratchFolder scratch;
  const std::string log = scratch / "log";
  const std::string command = "LORRY=" LORRY_BUILD_DIR "/lorry " LORRY_SOURCE_DIR "/scripts/kill_test " +
                              kills + " > " + log + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << io::get(log);
}

}  // namespace
}  // namespace lorry::cli
