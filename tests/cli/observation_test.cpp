// What `lorry train` leaves to be looked at: event files, samples, and the report.
#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/interrupted_test.hpp"
#include "report/markup.hpp"
#include "train/event_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

class ObservationCommand : public InterruptedTest {
 protected:
  [[nodiscard]] std::vector<std::string> arguments(std::string_view out,
                                                   const std::vector<std::string>& more = {},
                                                   std::string steps = "6") const {
    return run_of(std::move(steps), out, more);
  }
  [[nodiscard]] std::vector<Json> log(std::string_view out) const {
    std::vector<Json> lines;
    std::ifstream file(path(out) + "/log.jsonl");
    for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  [[nodiscard]] report::Markup page(std::string_view out) const {
    report::Markup markup = report::read_markup(io::get(path(out) + "/report.html"));
    EXPECT_EQ(markup.error, "");
    return markup;
  }
  /// Headings of the page's sections.
  [[nodiscard]] static std::vector<std::string> sections(const report::Markup& page) {
    std::vector<std::string> names;
    for (const report::Element& heading : page.all("h2")) names.push_back(heading.text);
    return names;
  }
  /// The value of a name on the page.
  [[nodiscard]] static std::string fact(const report::Markup& page, std::string_view name) {
    for (std::size_t i = 0; i + 1 < page.elements.size(); ++i) {
      if (page.elements[i].name == "dt" && page.elements[i].text == name) return page.elements[i + 1].text;
    }
    return "none";
  }
};

TEST_F(ObservationCommand, ARunLeavesEventsSamplesAndAReport) {
  const Outcome outcome =
      run_lorry(arguments("out", {"--eval-data", path("valid.jsonl"), "--eval-steps", "3", "--xray-steps",
                                  "2", "--sample-prompts", "say 3:", "--sample-prompts", "<b>&",
                                  "--sample-steps", "4", "--sample-tokens", "5"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("sample after 4 steps: say 3: | "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.out.find("report: " + path("out") + "/report.html\n"), std::string::npos) << outcome.out;

  auto curves = train::curves_in(path("out") + "/runs");
  EXPECT_EQ(curves["train/loss"].size(), 6U);
  EXPECT_EQ(curves["eval/loss"].size(), 3U);
  EXPECT_EQ(curves["xray/effective_rank/self_attn.q_proj"].size(), 3U);

  const report::Markup markup = page("out");
  EXPECT_EQ(sections(markup), (std::vector<std::string>{"Result", "Curves", "X-ray", "Samples", "Setup",
                                                        "Settings", "Environment"}));
  EXPECT_EQ(fact(markup, "end"), "finished after 6 steps");
  EXPECT_EQ(fact(markup, "rank"), "4");
  EXPECT_EQ(fact(markup, "max-seq-length"), "64");
  EXPECT_EQ(fact(markup, "threads"), "1");
  EXPECT_NE(fact(markup, "program").find("Lorry "), std::string::npos);
  EXPECT_NE(fact(markup, "computing").find("f32, "), std::string::npos);
  EXPECT_NE(fact(markup, "peak memory").find(" MiB"), std::string::npos);
  const std::string html = io::get(path("out") + "/report.html");
  for (const char* title :
       {">Loss<", ">Learning rate<", ">Gradient norm before clipping<", ">Throughput<", ">|ΔW|<",
        ">Effective rank<", ">before training<", ">after 6 steps<", "&lt;b&gt;&amp;"}) {
    EXPECT_NE(html.find(title), std::string::npos) << title;
  }
  for (const report::Element& element : markup.elements) {
    EXPECT_FALSE(element.attributes.contains("src")) << element.name;
    const auto link = element.attributes.find("href");
    EXPECT_TRUE(link == element.attributes.end() || link->second.starts_with("#")) << link->second;
  }
  for (const char* outside : {"@import", "url(", "<link"}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  // The points of the log can be hovered with their values.
  std::vector<std::string> titles;
  for (const report::Element& title : markup.all("title")) titles.push_back(title.text);
  EXPECT_EQ(std::count_if(titles.begin(), titles.end(),
                          [](const std::string& text) { return text.starts_with("training, step = "); }),
            6);
  EXPECT_EQ(std::count_if(titles.begin(), titles.end(),
                          [](const std::string& text) { return text.starts_with("held out, step = "); }),
            3);
}

TEST_F(ObservationCommand, NoneMeansNoEventFilesAndAnotherFolderTakesThem) {
  ASSERT_EQ(run_lorry(arguments("none", {"--report-to", "none"})).code, 0);
  EXPECT_FALSE(fs::exists(path("none") + "/runs"));
  EXPECT_TRUE(fs::exists(path("none") + "/report.html"));
  ASSERT_EQ(run_lorry(arguments("out", {"--logging-dir", path("logs")})).code, 0);
  EXPECT_FALSE(fs::exists(path("out") + "/runs"));
  EXPECT_EQ(train::curves_in(path("logs"))["train/loss"].size(), 6U);
  const Outcome second = run_lorry(arguments("second", {"--logging-dir", path("logs")}));
  EXPECT_EQ(second.code, 1);
  EXPECT_NE(second.err.find("of another run; expected a folder without events"), std::string::npos)
      << second.err;
  EXPECT_TRUE(io::get(path("none") + "/adapter_model.safetensors") ==
              io::get(path("out") + "/adapter_model.safetensors"));
}

/// Shares of a profile by part.
std::map<std::string, double> shares_of(const Json& profile) {
  std::map<std::string, double> shares;
  for (const Json& part : profile.at("parts")) shares[part.at("name")] = part.at("share");
  return shares;
}

TEST_F(ObservationCommand, AProfileAccountsForTheWholeStepAndChangesNothing) {
  ASSERT_EQ(run_lorry(arguments("plain")).code, 0);
  const Outcome outcome = run_lorry(arguments("out", {"--profile"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("(mean of 5 steps)"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("\nmatmul "), std::string::npos) << outcome.out;
  EXPECT_TRUE(io::get(path("plain") + "/adapter_model.safetensors") ==
              io::get(path("out") + "/adapter_model.safetensors"));
  EXPECT_EQ(io::get(path("plain") + "/report.html").find("Parts of a step"), std::string::npos);
  EXPECT_NE(io::get(path("out") + "/report.html").find(">Parts of a step<"), std::string::npos);

  const Json profile = log("out").back().at("profile");
  EXPECT_EQ(profile.at("steps"), 5);
  EXPECT_GT(profile.at("peak_flops_per_second").get<double>(), 0);
  const std::map<std::string, double> shares = shares_of(profile);
  double sum = 0;
  for (const auto& [name, share] : shares) sum += share;
  EXPECT_NEAR(sum, 1.0, 1e-6);
  for (const char* name : {"matmul", "adapters", "attention", "norms", "activations", "element-wise", "loss",
                           "optimiser", "data", "other"}) {
    ASSERT_TRUE(shares.contains(name)) << name;
    EXPECT_GT(shares.at(name), 0) << name;
  }
  EXPECT_FALSE(shares.contains("waiting for the disk"));

  const Outcome one = run_lorry(arguments("one", {"--profile", "--json"}, "1"));
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(Json::parse(one.out).at("profile").at("steps"), 1);
}

TEST_F(ObservationCommand, TheConfigRepeatsTheSamples) {
  ASSERT_EQ(run_lorry(arguments("out", {"--sample-prompts", "say 1, 2:", "--sample-prompts", "b",
                                        "--sample-steps", "2", "--logging-dir", path("logs")}))
                .code,
            0);
  const std::string yaml = path("out") + "/train.yaml";
  const Outcome again = run_lorry({"train", "--config", yaml, "--out", path("again")});
  ASSERT_EQ(again.code, 0) << again.err;
  std::vector<Json> first, second;
  for (auto [name, lines] : {std::pair("out", &first), std::pair("again", &second)}) {
    for (Json line : log(name)) {
      line.erase("seconds");
      if (line.contains("samples")) lines->push_back(line);
    }
  }
  EXPECT_EQ(first, second);
  ASSERT_EQ(first.size(), 4U);
  EXPECT_EQ(first[0].at("samples").size(), 2U);
  ASSERT_EQ(run_lorry(arguments("plain")).code, 0);
  EXPECT_EQ(run_lorry({"train", "--config", path("plain") + "/train.yaml", "--out", path("more")}).code, 0);
}

TEST_F(ObservationCommand, WhatWouldHaveNoEffectIsRefused) {
  const auto error = [&](std::vector<std::string> more) {
    return run_lorry(arguments("out", std::move(more)));
  };
  for (const auto& [flags, message] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--sample-steps", "3"}, "[train] --sample-steps: has no effect without --sample-prompts"},
           {{"--sample-tokens", "3"}, "[train] --sample-tokens: has no effect without --sample-prompts"},
           {{"--report-to", "none", "--logging-dir", path("x")},
            "[train] --logging-dir: has no effect with --report-to none"},
           {{"--report-to", "wandb"}, "--report-to: found \"wandb\"; expected one of tensorboard, none"},
           {{"--sample-prompts", "x", "--sample-tokens", "0"}, "--sample-tokens: found \"0\""}}) {
    const Outcome outcome = error(flags);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(path("out")));
  }
  EXPECT_EQ(error({"--sample-prompts", path("none.txt")}).code, 1);
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(ObservationCommand, AnInterruptedRunHasAReportAndTheOneThatGoesOnReplacesIt) {
  const std::vector<std::string> command =
      arguments("out", {"--resume", "--sample-prompts", "say 3:"}, "100000");
  ASSERT_EQ(run_lorry(command, lines_of_log(5), SIGTERM).code, 128 + SIGTERM);
  const report::Markup markup = page("out");
  const std::string end = fact(markup, "end");
  EXPECT_TRUE(end.starts_with("interrupted after ")) << end;
  EXPECT_TRUE(end.ends_with(" of 100000 steps; the same command with --resume goes on")) << end;
  EXPECT_EQ(fact(markup, "resumed"), "none");
  ASSERT_EQ(run_lorry(command, more_lines_of_log(15), SIGTERM).code, 128 + SIGTERM);
  EXPECT_TRUE(fact(page("out"), "resumed").starts_with("after step ")) << fact(page("out"), "resumed");
}

TEST_F(ObservationCommand, KilledAndTakenUpAgainTheEventsHoldEveryPointOnce) {
  const std::vector<std::string> command = arguments(
      "out", {"--resume", "--save-steps", "7", "--sample-prompts", "a", "--sample-steps", "5"}, "40");
  for (const std::ptrdiff_t lines : {3, 9, 20, 33}) {
    const Outcome killed = run_lorry(command, lines_of_log(lines), SIGKILL);
    ASSERT_TRUE(killed.code == 128 + SIGKILL || killed.code == 0) << killed.err;
  }
  ASSERT_EQ(run_lorry(command).code, 0);
  auto curves = train::curves_in(path("out") + "/runs");
  std::vector<std::pair<std::int64_t, float>> expected;
  for (const Json& line : log("out")) {
    if (line.contains("loss")) expected.emplace_back(line.at("step"), line.at("loss").get<float>());
  }
  ASSERT_EQ(expected.size(), 40U);
  EXPECT_EQ(curves["train/loss"], expected);
  std::vector<std::int64_t> sampled;
  for (const fs::path& file : train::event_files_in(path("out") + "/runs")) {
    for (const train::ReadEvent& event : train::read_event_file(file)) {
      if (!event.texts.empty() && event.texts[0].first == "samples/1") sampled.push_back(event.step);
    }
  }
  EXPECT_EQ(sampled, (std::vector<std::int64_t>{0, 5, 10, 15, 20, 25, 30, 35, 40}));
  // A finished run whose report is missing, killed before it was written, gets it.
  fs::remove(path("out") + "/report.html");
  ASSERT_EQ(run_lorry(command).code, 0);
  EXPECT_EQ(fact(page("out"), "end"), "finished after 40 steps");
}

TEST_F(ObservationCommand, ARunThatStopsEarlyOrDivergesSaysSoInItsReport) {
  std::vector<std::string> command = arguments(
      "out", {"--eval-data", path("valid.jsonl"), "--eval-steps", "1", "--early-stopping-patience", "2"},
      "500");
  *(std::find(command.begin(), command.end(), "--lr") + 1) = "0.5";
  ASSERT_EQ(run_lorry(command).code, 0);
  EXPECT_TRUE(fact(page("out"), "end").starts_with("stopped early after ")) << fact(page("out"), "end");
  command = arguments("diverged", {"--max-grad-norm", "0"});
  *(std::find(command.begin(), command.end(), "--lr") + 1) = "1e36";
  EXPECT_EQ(run_lorry(command).code, 1);
  EXPECT_NE(fact(page("diverged"), "end").find("not finite from "), std::string::npos);
}

TEST_F(ObservationCommand, ASweepRefusesTheKeysByName) {
  for (const char* line : {"sample_prompts: a", "logging_dir: x", "report_to: none"}) {
    io::put(scratch_ / "sweep.yaml", "model: " + path("model") + "\ndata: " + path("train.jsonl") + "\n" +
                                         line + "\ngrid:\n  rank: [1, 2]\n");
    const Outcome outcome =
        run_lorry({"sweep", "--config", path("sweep.yaml"), "--out", path("swept"), "--threads", "1"});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    const std::string key(line, std::string_view(line).find(':'));
    EXPECT_NE(outcome.err.find("unknown key \"" + key + "\""), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace lorry::cli
