#include "train/advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "core/median.hpp"

namespace lorry::train {

namespace {

/// The value that `share` of the values do not exceed; values must not be empty.
double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(std::llround(share * last))];
}

/// ‖ΔW‖ / sqrt(O I), so that large and small maps can be compared.
double typical_change(const XrayModule& module) {
  return module.figures.delta_norm / std::sqrt(static_cast<double>(module.inputs * module.outputs));
}

/// Directions that the update can have.
double directions(const XrayModule& module) {
  return static_cast<double>(std::min({module.rank, module.inputs, module.outputs}));
}

double energy_rank(const XrayModule& module) {
  return static_cast<double>(module.figures.sufficient_rank);
}

bool is_negligible(const XrayModule& module, const AdviceRule& rule) {
  const analysis::LiveFigures& figures = module.figures;
  return figures.zero || figures.delta_norm < rule.negligible * figures.weight_norm;
}

using Modules = std::vector<const XrayModule*>;

std::vector<double> values_of(const Modules& modules, const std::function<double(const XrayModule&)>& get) {
  std::vector<double> values;
  values.reserve(modules.size());
  for (const XrayModule* module : modules) values.push_back(get(*module));
  return values;
}

/// What learned nothing: idle beside the others, or next to its own weight.
struct Learning {
  std::vector<std::string> nothing;
  Modules something;
};

Learning sort_by_learning(const XrayReport& report, const AdviceRule& rule) {
  Modules changed;
  for (const XrayModule& module : report.modules) {
    if (!module.figures.zero) changed.push_back(&module);
  }
  const double least = changed.empty() ? 0.0 : rule.nothing * median(values_of(changed, typical_change));
  Learning learning;
  for (const XrayModule& module : report.modules) {
    if (is_negligible(module, rule) || typical_change(module) < least) {
      learning.nothing.push_back(module.figures.module);
    } else {
      learning.something.push_back(&module);
    }
  }
  return learning;
}

Index next_power_of_two(double value) {
  Index power = 1;
  while (static_cast<double>(power) < value) power *= 2;
  return power;
}

/// `zero`: not one update differs from zero.
Advice about_nothing(std::vector<std::string> modules, std::size_t all, bool zero, const AdviceRule& rule) {
  std::string text = fmt::format(
      "{} of {} modules learned next to nothing ({}{}): the data may not need them, or no gradient reaches "
      "them; "
      "leave them out with --target-modules",
      modules.size(), all, modules.front(), modules.size() > 1 ? ", ..." : "");
  if (modules.size() == all) {
    const std::string why =
        zero ? "still zero" : fmt::format("below {} % of its weight", 100 * rule.negligible);
    text = fmt::format("no module learned anything: every update is {}; is the learning rate too low?", why);
  }
  return {.kind = AdviceKind::kLearnedNothing, .text = std::move(text), .modules = std::move(modules)};
}

Advice about_length(Index steps, const AdviceRule& rule) {
  return {.kind = AdviceKind::kTooShort,
          .text = fmt::format("{} step{} too few to judge rank, layers and duration by; expected {} or more",
                              steps, steps == 1 ? " is" : "s are", rule.least_steps),
          .modules = {}};
}

std::optional<Advice> find_nothing(const XrayReport& report, Learning learning, const AdviceRule& rule) {
  if (learning.nothing.empty()) return std::nullopt;
  const bool zero = std::all_of(report.modules.begin(), report.modules.end(),
                                [](const XrayModule& module) { return module.figures.zero; });
  return about_nothing(std::move(learning.nothing), report.modules.size(), zero, rule);
}

bool fell(const LossChange& loss, const AdviceRule& rule) {
  return loss.first - loss.last > rule.fall * loss.noise;
}

std::optional<Advice> find_no_progress(const XrayReport& report, const AdviceRule& rule) {
  if (!report.loss || fell(*report.loss, rule)) return std::nullopt;
  return Advice{.kind = AdviceKind::kNoProgress,
                .text = fmt::format(
                    "the training loss did not fall by more than batches differ (mean of the first steps "
                    "{:.4f}, of the last {:.4f}): what the update looks like says nothing of the rank; "
                    "try another learning rate, or more steps",
                    report.loss->first, report.loss->last),
                .modules = {}};
}

std::optional<Advice> find_moving(const XrayReport& report, const AdviceRule& rule) {
  std::vector<double> values;
  for (const XrayModule& module : report.modules) {
    if (module.figures.compared) values.push_back(settled(module.figures));
  }
  if (values.empty()) return std::nullopt;
  const double middle = median(values);
  if (middle >= rule.moving) return std::nullopt;
  return Advice{
      .kind = AdviceKind::kStillMoving,
      .text = fmt::format("the directions were still moving at the end (median overlap with the measurement "
                          "before: {:.2f}, settled from {:.2f} on): more steps may help",
                          middle, rule.moving),
      .modules = {}};
}

/// The rank that all modules share; nothing where they differ.
std::optional<Index> common_rank(const XrayReport& report) {
  const Index rank = report.modules.front().rank;
  const bool same = std::all_of(report.modules.begin(), report.modules.end(),
                                [rank](const XrayModule& module) { return module.rank == rank; });
  return same ? std::optional(rank) : std::nullopt;
}

std::optional<Advice> find_rank(const XrayReport& report, const Modules& modules, const AdviceRule& rule) {
  const std::optional<Index> rank = common_rank(report);
  const std::vector<double> needed = values_of(modules, energy_rank);
  // At rank 1 the one direction is always in use: the measures say nothing.
  if (!rank || *rank < 2 || needed.empty()) return std::nullopt;
  const std::vector<double> held =
      values_of(modules, [](const XrayModule& module) { return energy_rank(module) / directions(module); });
  if (quantile(held, 0.9) <= rule.large) {
    const double enough = quantile(needed, 0.9);
    return Advice{.kind = AdviceKind::kRankTooLarge,
                  .text = fmt::format(
                      "rank {} is more than this run used: in nine modules of ten, {:.0f} directions or "
                      "fewer hold 90 % of the update; rank {} should do",
                      *rank, enough, next_power_of_two(enough)),
                  .modules = {}};
  }
  const std::vector<double> used = values_of(
      modules, [](const XrayModule& module) { return module.figures.effective_rank / directions(module); });
  if (median(used) < rule.small) return std::nullopt;
  return Advice{.kind = AdviceKind::kRankTooSmall,
                .text = fmt::format(
                    "rank {} is used to the full: the effective rank of half of the modules is {:.0f} % of "
                    "it or more; try rank {}",
                    *rank, 100.0 * median(used), 2 * *rank),
                .modules = {}};
}

}  // namespace

std::string_view name_of(AdviceKind kind) {
  constexpr std::array<std::string_view, 6> kNames = {"learned_nothing", "still_moving", "rank_too_large",
                                                      "rank_too_small",  "too_short",    "no_progress"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::vector<Advice> advise(std::span<const XrayReport> history, const AdviceRule& rule) {
  std::vector<Advice> advice;
  if (history.empty() || history.back().modules.empty()) return advice;
  const XrayReport& last = history.back();
  // A diverged run has nothing to say about its rank.
  const auto finite = [](const XrayModule& module) { return module.figures.finite; };
  if (!std::all_of(last.modules.begin(), last.modules.end(), finite)) return advice;
  const auto zero = [](const XrayModule& module) { return module.figures.zero; };
  const bool learnt = !std::all_of(last.modules.begin(), last.modules.end(), zero);
  if (learnt && last.step < rule.least_steps) return {about_length(last.step, rule)};
  const Learning learning = sort_by_learning(last, rule);
  const std::optional<Advice> no_progress = find_no_progress(last, rule);
  for (std::optional<Advice>& found :
       std::array{find_nothing(last, learning, rule), no_progress, find_moving(last, rule),
                  no_progress ? std::nullopt : find_rank(last, learning.something, rule)}) {
    if (found) advice.push_back(std::move(*found));
  }
  return advice;
}

io::OrderedJson to_json(const std::vector<Advice>& advice) {
  io::OrderedJson list = io::OrderedJson::array();
  for (const Advice& one : advice) {
    list.push_back({{"kind", name_of(one.kind)}, {"text", one.text}, {"modules", one.modules}});
  }
  return list;
}

}  // namespace lorry::train
