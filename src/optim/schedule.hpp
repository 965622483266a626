// optim/schedule.hpp: the learning rate of each step.
#pragma once
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "core/index.hpp"

namespace lorry::optim {

enum class ScheduleKind {
  kConstant,
  kLinear,
  kCosine,
  kCosineWithMinLr,
  kCosineWithRestarts,
  kPolynomial,
  kWarmupStableDecay,
  kInverseSqrt
};

/// What users call them: the names of transformers, and two short ones. The first name of a kind is its own.
inline constexpr std::array<std::pair<std::string_view, ScheduleKind>, 10> kScheduleNames = {
    {{"constant", ScheduleKind::kConstant},
     {"linear", ScheduleKind::kLinear},
     {"cosine", ScheduleKind::kCosine},
     {"cosine_with_min_lr", ScheduleKind::kCosineWithMinLr},
     {"cosine_with_restarts", ScheduleKind::kCosineWithRestarts},
     {"polynomial", ScheduleKind::kPolynomial},
     {"warmup_stable_decay", ScheduleKind::kWarmupStableDecay},
     {"inverse_sqrt", ScheduleKind::kInverseSqrt},
     {"wsd", ScheduleKind::kWarmupStableDecay},
     {"constant_with_warmup", ScheduleKind::kConstant}}};

inline constexpr std::size_t kScheduleKinds = 8;  // of these names, those that are no alias

std::string_view name_of(ScheduleKind kind);

/// How the rate falls at the end of warmup_stable_decay.
enum class DecayShape { kCosine, kLinear, kOneMinusSqrt };

inline constexpr std::array<std::pair<std::string_view, DecayShape>, 3> kDecayShapeNames = {
    {{"cosine", DecayShape::kCosine},
     {"linear", DecayShape::kLinear},
     {"1-sqrt", DecayShape::kOneMinusSqrt}}};

std::string_view name_of(DecayShape shape);

/// What some kinds take beside peak, steps and warm-up; given to another kind it is an Error.
struct ScheduleShape {
  /// The floor, as a rate or as a share of the peak; not both. Cosines, polynomial and warmup_stable_decay.
  std::optional<double> min_lr = std::nullopt;        // default 0; polynomial 1e-7
  std::optional<double> min_lr_ratio = std::nullopt;  // in [0, 1]
  std::optional<Index> num_cycles = std::nullopt;     // cosine_with_restarts; default 1
  std::optional<double> power = std::nullopt;         // polynomial, above 0; default 1
  std::optional<Index> decay_steps = std::nullopt;    // warmup_stable_decay; default a tenth of the run
  std::optional<DecayShape> decay = std::nullopt;     // warmup_stable_decay; default cosine
};

/// The numbers of transformers' get_*_schedule: warm-up from 0 along a line (warmup_stable_decay: from its
/// floor), then by the kind. cosine_with_restarts takes a floor as well, which transformers does not.
class LearningRateSchedule {
 public:
  /// peak: the highest rate, finite, at least 0; total_steps: updates in the whole run, at least 1;
  /// warmup_steps: of these, with rising rate, at least 0 (the total or more: it never stops rising).
  /// Throws Error otherwise.
  LearningRateSchedule(ScheduleKind kind, double peak, Index total_steps, Index warmup_steps,
                       const ScheduleShape& shape = {});

  /// Rate of update `step`, counted from 0. With warm-up the first update has rate 0, as in transformers.
  [[nodiscard]] double at(Index step) const;
  [[nodiscard]] double peak() const noexcept { return peak_; }

 private:
  void read_shape(const ScheduleShape& shape);
  /// Of the peak, after the warm-up.
  [[nodiscard]] double factor_at(Index step) const;
  [[nodiscard]] double stable_then_decay(Index step) const;

  ScheduleKind kind_;
  double peak_;
  Index total_steps_;
  Index warmup_steps_;
  double floor_ = 0;  // as a share of the peak
  double num_cycles_ = 1;
  double power_ = 1;
  Index decay_steps_ = 0;
  DecayShape decay_ = DecayShape::kCosine;
};

}  // namespace lorry::optim
