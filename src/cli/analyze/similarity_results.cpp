#include "cli/analyze/similarity_results.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "cli/analyze/coverage.hpp"
#include "cli/analyze/shared_start.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kTop = "top";  // φ(1,1)
constexpr const char* kAll = "all";  // φ(p,p)

std::string measure_key(const ComparedSpace& space, const char* name) {
  return fmt::format("{}_{}", space.key, name);
}

Index smaller_rank(const analysis::SubspaceSimilarity& space) {
  return std::min(space.phi.rows, space.phi.cols);
}

/// φ(i, i), or none where it hangs on how rounding resolved a tie.
double diagonal(const analysis::SubspaceSimilarity& space, Index i) {
  return space.phi.empty() || !space.determined(i, i) ? report::kNone : space.phi.at(i - 1, i - 1);
}

/// φ(i, i) of random directions. The mean of a few samples would not do for φ(1, 1), whose spread is larger
/// than its expectation.
double chance(const analysis::SubspaceSimilarity& space, Index i) {
  return space.phi.empty() ? report::kNone : analysis::expected_phi(i, i, space.dimension);
}

/// One seed has none.
bool has_spread(const analysis::GaussianControl* control) {
  return control != nullptr && control->seeds > 1;
}

std::string note_of(const analysis::ModuleSimilarity& module) {
  std::string note = module.note;
  for (const auto& [side, coverage] : {std::pair("first", module.first), {"second", module.second}}) {
    if (coverage.complete) continue;
    note += fmt::format("{}in the {}, {}", note.empty() ? "" : "; ", side, coverage_note(coverage));
  }
  for (const ComparedSpace& space : kComparedSpaces) {
    const analysis::SubspaceSimilarity& found = module.*space.member;
    const Index p = smaller_rank(found);
    if (p == 0 || (found.determined(1, 1) && found.determined(p, p))) continue;
    note += fmt::format("{}equal singular values in {}", note.empty() ? "" : "; ", space.title);
  }
  return note;
}

/// Every control once, and its place in the list.
struct ControlList {
  io::OrderedJson controls = io::OrderedJson::array();
  std::map<analysis::ControlTable::Shape, Index> places = {};

  io::OrderedJson place_of(const ComparedPair& pair, const analysis::SubspaceSimilarity& space) {
    const analysis::GaussianControl* control = space.phi.empty() ? nullptr : pair.report.control(space);
    if (control == nullptr) return nullptr;
    const auto [found, fresh] =
        places.try_emplace({space.dimension, space.phi.rows, space.phi.cols}, std::ssize(controls));
    if (fresh) {
      controls.push_back({{"dimension", control->dimension},
                          {"seeds", control->seeds},
                          {"mean", json_grid(control->mean)},
                          {"spread", has_spread(control) ? json_grid(control->spread) : nullptr},
                          {"expectation", json_grid(control->expectation)}});
    }
    return found->second;
  }
};

analysis::Grid distances(const analysis::SubspaceSimilarity& space) {
  analysis::Grid grid(space.phi.rows, space.phi.cols);
  for (Index i = 0; i < grid.rows; ++i) {
    for (Index j = 0; j < grid.cols; ++j) grid.at(i, j) = space.distance(i + 1, j + 1);
  }
  return grid;
}

io::OrderedJson module_json(const ComparedPair& pair, const analysis::ModuleSimilarity& module,
                            ControlList& controls) {
  io::OrderedJson json = {{"module", module.module},
                          {"adapter_1", pair.first->path.string()},
                          {"adapter_2", pair.second->path.string()},
                          {"rank_1", module.first.directions},
                          {"rank_2", module.second.directions},
                          {"complete_1", module.first.complete},
                          {"complete_2", module.second.complete}};
  for (const ComparedSpace& space : kComparedSpaces) {
    const analysis::SubspaceSimilarity& found = module.*space.member;
    const auto field = [&](const char* prefix, io::OrderedJson value) {
      json[fmt::format("{}_{}", prefix, space.key)] =
          found.phi.empty() ? io::OrderedJson(nullptr) : std::move(value);
    };
    field("phi", json_grid(found.phi));
    field("distance", json_grid(distances(found)));
    field("ties", {{"i", found.ties_first}, {"j", found.ties_second}});
    field("dimension", found.dimension);
    field("control", controls.place_of(pair, found));
  }
  json["note"] = json_note(note_of(module));
  return json;
}

void write_space(CsvFile& csv, const ComparedPair& pair, const analysis::ModuleSimilarity& module,
                 const ComparedSpace& space) {
  const model::ModulePlace place = model::place_of(module.module);
  const analysis::SubspaceSimilarity& found = module.*space.member;
  const analysis::GaussianControl* control = found.phi.empty() ? nullptr : pair.report.control(found);
  for (Index i = 0; i < found.phi.rows; ++i) {
    for (Index j = 0; j < found.phi.cols; ++j) {
      csv.row(pair.first->path.string(), pair.second->path.string(), module.module, model::layer_text(place),
              place.type, space.key, i + 1, j + 1, found.phi.at(i, j), found.distance(i + 1, j + 1),
              found.determined(i + 1, j + 1) ? "no" : "yes",
              control != nullptr ? control->mean.at(i, j) : report::kNone,
              has_spread(control) ? control->spread.at(i, j) : report::kNone);
    }
  }
}

}  // namespace

Measurements measurements_of(const ComparedPair& pair) {
  Measurements result{.subject = pair.name(), .facts = {{"ranks"}}};
  for (const ComparedSpace& space : kComparedSpaces) {
    result.terms.emplace_back(space.title, fmt::format("{}.", space.description));
    for (const auto& [name, indices] : {std::pair(kTop, "1,1"), {kAll, "p,p"}}) {
      result.measures.push_back({.key = measure_key(space, name),
                                 .title = fmt::format("{} {}", space.title, name),
                                 .chart_title = fmt::format("φ({}) of {}", indices, space.chart_title),
                                 .decimals = 3,
                                 .low = 0,
                                 .high = 1});
    }
  }
  result.terms.emplace_back("top", "φ(1,1): do the strongest directions agree? 0: orthogonal, 1: the same.");
  result.terms.emplace_back("all", "φ(p,p), p the smaller rank: do the p strongest span the same space?");
  result.terms.emplace_back("random",
                            "the expectation for random matrices of the same shapes, max(i, j) / d in d "
                            "dimensions. JSON, CSV and pages have the control sampled with --seeds.");
  for (const analysis::ModuleSimilarity& module : pair.report.modules) {
    MeasuredModule measured{.module = module.module, .note = note_of(module)};
    measured.facts.emplace_back(fmt::format("{}|{}", module.first.directions, module.second.directions));
    for (const ComparedSpace& space : kComparedSpaces) {
      const analysis::SubspaceSimilarity& found = module.*space.member;
      for (const auto& [name, i] : {std::pair(kTop, Index{1}), {kAll, smaller_rank(found)}}) {
        const std::string key = measure_key(space, name);
        measured.figures[key] = {diagonal(found, i)};
        measured.chance[key] = chance(found, i);
      }
    }
    result.modules.push_back(std::move(measured));
  }
  return result;
}

std::vector<std::string> similarity_keys() {
  std::vector<std::string> keys;
  for (const ComparedSpace& space : kComparedSpaces) {
    for (const char* name : {kTop, kAll}) keys.push_back(measure_key(space, name));
  }
  return keys;
}

std::vector<std::string> skipped_lines(const ComparedPair& pair) {
  constexpr std::size_t kNamed = 3;
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
  for (const analysis::SkippedModule& module : pair.report.skipped) {
    auto found = std::find_if(reasons.begin(), reasons.end(),
                              [&](const auto& entry) { return entry.first == module.reason; });
    if (found == reasons.end()) found = reasons.insert(reasons.end(), {module.reason, {}});
    found->second.push_back(module.module);
  }
  std::vector<std::string> lines;
  lines.reserve(reasons.size());
  for (const auto& [reason, modules] : reasons) {
    if (modules.size() == 1) {
      lines.push_back(fmt::format("left out: {} ({})", modules.front(), reason));
      continue;
    }
    const auto end = modules.begin() + static_cast<std::ptrdiff_t>(std::min(kNamed, modules.size()));
    lines.push_back(fmt::format("left out: {} modules ({}): {}{}", modules.size(), reason,
                                fmt::join(modules.begin(), end, ", "),
                                modules.size() > kNamed ? ", ..." : ""));
  }
  return lines;
}

std::string similarity_verdict(const ComparedPair& pair) {
  const Measurements figures = measurements_of(pair);
  const auto against_chance = [&](const ComparedSpace& space, const char* name) {
    const std::string key = measure_key(space, name);
    return fmt::format("φ = {} (random: {})", in_words(median(figures, key)),
                       in_words({median_chance(figures, key)}));
  };
  const auto sentence = [&](const char* what, const ComparedSpace& space) {
    return fmt::format("the top {} of ΔW agrees to {}, all directions together to {}", what,
                       against_chance(space, kTop), against_chance(space, kAll));
  };
  const std::string start = shared_start(*pair.first, *pair.second);
  return fmt::format("{}: in the median of {} modules, {}; {}.{}{}", pair.name(), figures.modules.size(),
                     sentence("input direction", kComparedSpaces[2]),
                     sentence("output direction", kComparedSpaces[3]), start.empty() ? "" : " ", start);
}

void print_similarity_json(const std::vector<ComparedPair>& pairs, std::uint64_t seed) {
  std::vector<io::OrderedJson> modules;
  io::OrderedJson skipped = io::OrderedJson::array();
  ControlList controls;
  for (const ComparedPair& pair : pairs) {
    for (const analysis::ModuleSimilarity& module : pair.report.modules) {
      modules.push_back(module_json(pair, module, controls));
    }
    for (const analysis::SkippedModule& module : pair.report.skipped) {
      skipped.push_back({{"module", module.module},
                         {"adapter_1", pair.first->path.string()},
                         {"adapter_2", pair.second->path.string()},
                         {"reason", module.reason}});
    }
  }
  print_modules(
      modules, {{"controls", std::move(controls.controls)}, {"skipped", std::move(skipped)}, {"seed", seed}});
}

void write_similarity_csv(CsvFile& csv, const std::vector<ComparedPair>& pairs) {
  csv.row("adapter_1", "adapter_2", "module", "layer", "type", "space", "i", "j", "phi", "distance", "tied",
          "control_mean", "control_spread");
  for (const ComparedPair& pair : pairs) {
    for (const analysis::ModuleSimilarity& module : pair.report.modules) {
      for (const ComparedSpace& space : kComparedSpaces) write_space(csv, pair, module, space);
    }
  }
}

}  // namespace lorry::cli
