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

/// `get` of every module that has changed at all.
std::vector<double> values_of(const XrayReport& report, const std::function<double(const XrayModule&)>& get) {
  std::vector<double> values;
  for (const XrayModule& module : report.modules) {
    if (!module.figures.zero) values.push_back(get(module));
  }
  return values;
}

Index next_power_of_two(double value) {
  Index power = 1;
  while (static_cast<double>(power) < value) power *= 2;
  return power;
}

Advice about_nothing(std::vector<std::string> modules, std::size_t all) {
  std::string text = fmt::format(
      "{} of {} modules learned next to nothing ({}{}): the data may not need them, or no gradient reaches "
      "them; "
      "leave them out with --target-modules",
      modules.size(), all, modules.front(), modules.size() > 1 ? ", ..." : "");
  if (modules.size() == all) {
    text = "no module learned anything: every update is still zero; is the learning rate too low?";
  }
  return {.kind = AdviceKind::kLearnedNothing, .text = std::move(text), .modules = std::move(modules)};
}

Advice about_length(Index steps, const AdviceRule& rule) {
  return {.kind = AdviceKind::kTooShort,
          .text = fmt::format("{} step{} too few to judge rank, layers and duration by; expected {} or more",
                              steps, steps == 1 ? " is" : "s are", rule.least_steps),
          .modules = {}};
}

std::optional<Advice> find_nothing(const XrayReport& report, const AdviceRule& rule) {
  const std::vector<double> changes = values_of(report, typical_change);
  const double least = changes.empty() ? 0.0 : rule.nothing * median(changes);
  std::vector<std::string> idle;
  for (const XrayModule& module : report.modules) {
    if (module.figures.zero || typical_change(module) < least) idle.push_back(module.figures.module);
  }
  if (idle.empty()) return std::nullopt;
  return about_nothing(std::move(idle), report.modules.size());
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

std::optional<Advice> find_rank(const XrayReport& report, const AdviceRule& rule) {
  const std::optional<Index> rank = common_rank(report);
  const std::vector<double> needed = values_of(report, energy_rank);
  // At rank 1 the one direction is always in use: the measures say nothing.
  if (!rank || *rank < 2 || needed.empty()) return std::nullopt;
  const std::vector<double> held =
      values_of(report, [](const XrayModule& module) { return energy_rank(module) / directions(module); });
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
      report, [](const XrayModule& module) { return module.figures.effective_rank / directions(module); });
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
  constexpr std::array<std::string_view, 5> kNames = {"learned_nothing", "still_moving", "rank_too_large",
                                                      "rank_too_small", "too_short"};
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
  for (std::optional<Advice>& found :
       std::array{find_nothing(last, rule), find_moving(last, rule), find_rank(last, rule)}) {
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
