// sweep/request.hpp: what a sweep is told: many training runs that differ in a few options, as plain data.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/options.hpp"

namespace lorry::sweep {

/// How alpha goes with the rank where several are tried. The update is scaled by alpha / rank.
enum class AlphaRule {
  kFixed,       // one alpha for every rank (Hu et al. 2021, sec. 4.1), so the scale falls as the rank grows
  kEqualScale,  // alpha grows with the rank: alpha / rank is that of the first rank tried
};

/// Equal trainable parameters for every row (Table 5 of the paper): a number, or the rank of a row to match.
struct Budget {
  std::optional<Index> parameters;
  Index rank = 8;                       // read where `parameters` is empty
  model::TargetModules target_modules;  // the same
};

/// One row of the tables to be: training options whose seed alone is still open.
struct RowRequest {
  std::string name;                   // for people; empty: made of what tells the row apart
  std::string targets_name;           // for people: "W_q,W_v"; empty: the modules' own names
  train::TrainOptions options;        // of lora.r and lora_alpha see below
  std::optional<Index> rank;          // empty: train's default, or what the budget allows
  std::optional<double> alpha;        // by the rule; empty: the first rank tried
  std::optional<double> exact_alpha;  // of this row, whatever the rule
  /// Other options that only some rows have, as texts, in the order to show them: {"dropout", "0.1"}.
  std::vector<std::pair<std::string, std::string>> varied;
};

struct Request {
  std::vector<RowRequest> rows;      // at least one
  std::vector<std::uint64_t> seeds;  // at least one; every row is trained with each
  std::optional<Budget> budget;
  AlphaRule alpha_rule = AlphaRule::kFixed;
};

}  // namespace lorry::sweep
