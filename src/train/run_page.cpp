#include "train/run_page.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/text_file.hpp"
#include "report/page.hpp"
#include "train/run_charts.hpp"

namespace lorry::train {

namespace {

std::string text_field(const io::OrderedJson& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The lines that hold samples.
std::vector<const io::OrderedJson*> sample_lines(const std::vector<io::OrderedJson>& log) {
  std::vector<const io::OrderedJson*> lines;
  for (const io::OrderedJson& line : log) {
    const auto found = line.find("samples");
    if (found != line.end() && found->is_array()) lines.push_back(&line);
  }
  return lines;
}

report::Table all_samples(const std::vector<const io::OrderedJson*>& lines) {
  report::Table table({{"step", true}, {"prompt"}, {"text"}});
  for (const io::OrderedJson* line : lines) {
    for (const io::OrderedJson& sample : line->at("samples")) {
      table.add_row(
          {line->value("step", Index{0}), text_field(sample, "prompt"), text_field(sample, "text")});
    }
  }
  return table;
}

void add_samples(const std::vector<io::OrderedJson>& log, report::Content& content) {
  const std::vector<const io::OrderedJson*> lines = sample_lines(log);
  if (lines.empty()) {
    content.paragraph("None: --sample-prompts shows what the model writes before and after training.");
    return;
  }
  const io::OrderedJson& first = *lines.front();
  const io::OrderedJson& last = *lines.back();
  const auto heading = [](const io::OrderedJson& line) {
    const Index step = line.value("step", Index{0});
    return step == 0 ? std::string("before training") : fmt::format("after {} steps", step);
  };
  report::Table table({{"prompt"}, {heading(first)}, {heading(last)}});
  const io::OrderedJson& before = first.at("samples");
  const io::OrderedJson& after = last.at("samples");
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    table.add_row(
        {text_field(after[i], "prompt"), text_field(before[i], "text"), text_field(after[i], "text")});
  }
  content.paragraph(
      "Greedy continuations: of the same prompts by the same rule, so training makes the difference.");
  content.table(table);
  if (lines.size() <= 2) return;
  report::Content details;
  details.table(all_samples(lines));
  content.details(fmt::format("Samples of all {} moments", lines.size()), details);
}

}  // namespace

std::vector<io::OrderedJson> read_log(const std::filesystem::path& path) {
  const std::string text = io::read_text_file(path);
  std::vector<io::OrderedJson> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    io::OrderedJson json = io::OrderedJson::parse(line, nullptr, false);
    if (json.is_object()) lines.push_back(std::move(json));
    begin = end + 1;
  }
  return lines;
}

std::string run_page(const RunPageText& text, const std::vector<io::OrderedJson>& log) {
  report::Page page(text.title);
  report::Content& result = page.section("Result");
  result.facts(text.result);
  for (const std::string& warning : text.warnings) result.paragraph(warning);
  const RunCharts charts = run_charts(log);
  if (!charts.training.empty()) page.section("Curves").charts(charts.training, charts.note);
  if (!charts.profile.empty()) {
    page.section("Profile").charts({charts.profile}, "Means over the steps; log.jsonl has shares and rates.");
  }
  if (!charts.xray.empty()) {
    page.section("X-ray").charts(
        charts.xray,
        "Medians over the layers of each kind; the X-ray's page of the documentation says what they mean.");
  }
  add_samples(log, page.section("Samples"));
  if (!text.setup.empty()) page.section("Setup").facts(text.setup);
  report::Content& settings = page.section("Settings");
  settings.facts(text.chosen);
  if (!text.defaults.empty()) {
    report::Content defaults;
    defaults.facts(text.defaults);
    settings.details("Options that were left as they are", defaults);
  }
  page.section("Environment").facts(text.environment);
  return page.to_html();
}

}  // namespace lorry::train
