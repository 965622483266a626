#include "cli/analyze/report_page.hpp"

#include <fmt/format.h>

#include "cli/analyze/profiles.hpp"
#include "cli/version.hpp"

namespace lorry::cli {

void add_terms(report::Content& content, const Measurements& measurements) {
  content.terms(measurements.terms);
}

void add_profiles(report::Content& content, const std::vector<Measurements>& all,
                  const std::vector<std::string_view>& charted) {
  std::vector<std::string> charts;
  for (const std::string_view key : charted) {
    const report::LineChart chart =
        all.size() > 1 ? subject_profile(all, key) : layer_profile(all.front(), key);
    if (!chart.series.empty()) charts.push_back(report::to_svg(chart));
  }
  if (charts.empty()) return;
  content.charts(charts, all.size() > 1 ? "Medians over the modules of a layer." : "");
  for (const std::string_view key : charted) {
    if (all.size() == 1) break;
    std::vector<std::string> by_type;
    for (const report::LineChart& chart : type_profiles(all, key)) by_type.push_back(report::to_svg(chart));
    report::Content details;
    details.charts(by_type);
    content.details(fmt::format("{} by module type", measure_of(all.front(), key).title), details);
  }
}

void write_profile_charts(Outputs& outputs, const std::vector<Measurements>& all, const std::string& prefix) {
  for (const Measure& measure : all.front().measures) {
    const std::string& key = measure.key;
    const std::string name = fmt::format("{}profile-{}", prefix, key);
    const report::LineChart chart =
        all.size() > 1 ? subject_profile(all, key) : layer_profile(all.front(), key);
    if (!chart.series.empty()) outputs.write_chart(name, report::to_svg(chart));
    if (all.size() == 1) continue;
    for (const report::LineChart& of_type : type_profiles(all, key)) {
      outputs.write_chart(fmt::format("{}-{}", name, of_type.title), report::to_svg(of_type));
    }
  }
}

void add_making(report::Page& page, const std::string& command, const std::vector<Subject>& subjects,
                const Facts& more) {
  Facts facts = {{"command", command}, {"version", fmt::format("Lorry {}", version())}};
  for (const Subject& subject : subjects) {
    facts.emplace_back(subject.name,
                       fmt::format("{} ({})", subject.updates->description(), description(subject)));
  }
  facts.insert(facts.end(), more.begin(), more.end());
  page.section("How this was made").facts(facts);
}

}  // namespace lorry::cli
