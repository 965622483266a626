// train/advice.hpp: what the measurements of a run (train/xray.hpp) say about its settings. The rule, with
// the runs it was tried on: docs/xray.md.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/xray.hpp"

namespace lorry::train {

enum class AdviceKind { kLearnedNothing, kStillMoving, kRankTooLarge, kRankTooSmall, kTooShort, kNoProgress };

/// "learned_nothing", "still_moving", "rank_too_large", "rank_too_small", "too_short", "no_progress": for
/// programs.
std::string_view name_of(AdviceKind kind);

struct Advice {
  AdviceKind kind;
  std::string text;                  // a sentence or two for people, with the figures it rests on
  std::vector<std::string> modules;  // those it is about; empty: the run as a whole
};

/// The thresholds of the rule.
struct AdviceRule {
  double nothing = 0.02;  // a module learned nothing below this share of the median module's ‖ΔW‖ / sqrt(O I)
  double negligible = 1e-3;  // nor where ‖ΔW‖ is below this share of ‖W‖
  double fall = 2.0;    // the loss fell where it did by more than so many standard errors of its two means
  double moving = 0.9;  // directions still move while the median of settled() is below this
  // Rank is too large where, in nine modules of ten, at most this share of it holds 90 % of the update's
  // energy; too small where the effective rank of half of the modules is at least that share of it. Noise
  // fills every direction there is, so modules that learned nothing are not asked, and no module is where the
  // loss did not fall.
  double large = 0.25;
  double small = 0.9;
  Index least_steps = 20;  // what fewer of them have done says little of what more would do
};

/// From the last measurement of `history`; nothing without one, and nothing where all is well. After fewer
/// than rule.least_steps no more than that: they are too few to judge by.
std::vector<Advice> advise(std::span<const XrayReport> history, const AdviceRule& rule = {});

/// [{"kind", "text", "modules"}].
io::OrderedJson to_json(const std::vector<Advice>& advice);

}  // namespace lorry::train
