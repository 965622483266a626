// sweep/plan.hpp: a request worked out for one model: ranks, alphas, parameters, and a name for every cell.
#pragma once
#include <string>
#include <vector>

#include "sweep/request.hpp"

namespace lorry::model {
class Decoder;
}

namespace lorry::sweep {

/// Settings that differ in the seed alone: a row of the tables.
struct Row {
  std::string label;            // "q_proj,v_proj r=4", "full"; no two rows share it
  std::string series = {};      // the label without the rank: the curve over ranks to which the row belongs
  std::string targets = {};     // "q_proj,v_proj" or the name it was given; empty for the full method
  train::TrainOptions options;  // as train resolves them, and rank and alpha by the rules
  Index trainable_parameters = 0;
  std::vector<std::pair<std::string, std::string>> varied = {};  // as in RowRequest
};

inline bool is_lora(const train::TrainOptions& options) {
  return options.method == train::Method::kLora;
}
inline bool is_lora(const Row& row) {
  return is_lora(row.options);
}

/// One training run.
struct Cell {
  std::string name;  // of its folder; made of what the row varies, so that it stays when other rows change
  Index row = 0;     // in Plan::rows
  train::TrainOptions options;  // the row's with a seed; `out` is empty
};

struct Plan {
  std::vector<Row> rows = {};
  std::vector<Cell> cells = {};  // row after row, seed after seed
  Index seeds = 0;               // cells of each row
  Index budget = 0;              // trainable parameters that LoRA rows should have; 0: each as it is
  Index first_rank = 0;          // the first rank tried, or the budget's; 0 where no row is LoRA
  bool rank_of_budget = false;   // it is the budget's: no row need have it
  AlphaRule alpha_rule = AlphaRule::kFixed;
  bool alpha_given = false;     // else it is the first rank tried
  bool some_by_rule = false;    // LoRA rows whose alpha follows the rule
  bool some_own_alpha = false;  // and such as have an alpha of their own
  std::vector<std::string> warnings = {};
};

/// The rank of least distance between rank * parameters_per_rank and `budget`, at least 1; of two equally
/// near ones the smaller.
Index rank_for_budget(Index budget, Index parameters_per_rank);

/// `decoder` tells which maps the targets match and how large they are; it is left as it was. Throws Error,
/// for targets that match nothing, a rank beside a budget, rows that are the same, and too many cells.
Plan make_plan(const Request& request, model::Decoder& decoder);

/// How ranks and alphas were chosen, in whole sentences; empty without a LoRA row.
std::string rules_text(const Plan& plan);

}  // namespace lorry::sweep
