// demo/score.cpp: scores generated texts of the data-to-text task: the share that realise every slot and
// invent nothing, by slot, and apart for names and slot sets that the training file does not have.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "scoring.hpp"

namespace {

struct Options {
  std::string data = LORRY_DEMO_DIR "/data/test.jsonl";
  std::string train;
  std::string predictions;
  lorry::Index show = 0;
  bool json = false;
};

/// One string field of every line. Throws Error with file and line.
std::vector<std::string> read_field(const std::string& path, const std::string& field) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw lorry::Error("[score] {}: cannot be opened", path);
  std::vector<std::string> values;
  for (std::string line; std::getline(in, line);) {
    const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object() || !object.contains(field) || !object[field].is_string()) {
      throw lorry::Error("[score] {}:{}: expected an object with a string \"{}\"", path, values.size() + 1,
                         field);
    }
    values.push_back(object[field]);
  }
  if (values.empty()) throw lorry::Error("[score] {}: no lines", path);
  return values;
}

double share(lorry::Index part, lorry::Index whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_table(const lorry::demo::Score& score) {
  fmt::print("{:<18} {:>8} {:>12} {:>10}\n", "records", "count", "fully right", "invented");
  for (const auto& [name, group] : score.groups) {
    fmt::print("{:<18} {:>8} {:>10.1f} % {:>8.1f} %\n", name, group.records,
               share(group.right, group.records), share(group.invented, group.records));
  }
  fmt::print("\n{:<18} {:>8} {:>12}\n", "slot", "given", "realised");
  for (const auto& [slot, one] : score.slots) {
    fmt::print("{:<18} {:>8} {:>10.1f} %\n", slot, one.given, share(one.realised, one.given));
  }
}

void print_json(const lorry::demo::Score& score) {
  nlohmann::ordered_json report;
  for (const auto& [name, group] : score.groups) {
    report["groups"][name] = {
        {"records", group.records}, {"fully_right", group.right}, {"invented", group.invented}};
  }
  for (const auto& [slot, one] : score.slots) {
    report["slots"][slot] = {{"given", one.given}, {"realised", one.realised}};
  }
  fmt::print("{}\n", report.dump());
}

void run(const Options& options) {
  const std::vector<std::string> prompts = read_field(options.data, "prompt");
  const std::vector<std::string> texts = read_field(options.predictions, "completion");
  if (texts.size() != prompts.size()) {
    throw lorry::Error("[score] {}: {} predictions; {} has {} prompts", options.predictions, texts.size(),
                       options.data, prompts.size());
  }
  std::string train = options.train;
  if (train.empty()) train = (std::filesystem::path(options.data).parent_path() / "train.jsonl").string();
  lorry::demo::Seen seen;
  for (const std::string& prompt : read_field(train, "prompt")) {
    seen.add(lorry::demo::parse_prompt(prompt, train));
  }
  lorry::demo::Score score;
  lorry::Index shown = 0;
  for (std::size_t k = 0; k < prompts.size(); ++k) {
    const lorry::demo::Record record =
        lorry::demo::parse_prompt(prompts[k], fmt::format("{}:{}", options.data, k + 1));
    const lorry::demo::Verdict verdict = lorry::demo::judge(record, texts[k]);
    lorry::demo::tally(score, record, verdict, seen);
    if (!verdict.right() && shown++ < options.show) {
      fmt::print("{}{}\n  missing: {}; invented: {}\n\n", prompts[k], texts[k],
                 fmt::join(verdict.missing, ", "), fmt::join(verdict.invented, ", "));
    }
  }
  options.json ? print_json(score) : print_table(score);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Scores generated texts of the data-to-text task");
  app.add_option("--data", options.data, "Held-out records [demo/data/test.jsonl]");
  app.add_option("--train", options.train,
                 "What fine-tuning saw, to tell unseen names [train.jsonl beside --data]");
  app.add_option("--predictions", options.predictions, "JSON lines {\"completion\"}, in the records' order")
      ->required();
  app.add_option("--show", options.show, "Print so many wrong texts with the reason [0]");
  app.add_flag("--json", options.json, "Print one JSON object");
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
