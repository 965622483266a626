// optim/schedule.hpp: the learning rate of each step.
#pragma once
#include <array>
#include <string_view>
#include <utility>

#include "core/index.hpp"

namespace lorry::optim {

enum class ScheduleKind { kConstant, kLinear, kCosine };

/// What users call them.
inline constexpr std::array<std::pair<std::string_view, ScheduleKind>, 3> kScheduleNames = {
    {{"constant", ScheduleKind::kConstant},
     {"linear", ScheduleKind::kLinear},
     {"cosine", ScheduleKind::kCosine}}};

std::string_view name_of(ScheduleKind kind);

/// Warm-up from 0 along a line, then constant, or down to 0 along a line or half a cosine: the numbers of
/// transformers' get_{constant,linear,cosine}_schedule_with_warmup.
class LearningRateSchedule {
 public:
  /// peak: the highest rate, finite, at least 0; total_steps: updates in the whole run, at least 1;
  /// warmup_steps: of these, with rising rate, at least 0 (the total or more: it never stops rising).
  /// Throws Error otherwise.
  LearningRateSchedule(ScheduleKind kind, double peak, Index total_steps, Index warmup_steps);

  /// Rate of update `step`, counted from 0. With warm-up the first update has rate 0, as in transformers.
  [[nodiscard]] double at(Index step) const;

 private:
  ScheduleKind kind_;
  double peak_;
  Index total_steps_;
  Index warmup_steps_;
};

}  // namespace lorry::optim
