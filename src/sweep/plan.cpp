#include "sweep/plan.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "model/adapter.hpp"
#include "model/tensor_list.hpp"
#include "sweep/row_names.hpp"

namespace lorry::sweep {

namespace {

constexpr Index kMostCells = 10'000;
constexpr double kNearBudget = 0.1;  // share of the budget by which a row may miss it without a word

/// Parameters of an adapter by its rank r: fixed + r * per_rank.
struct RankCost {
  Index fixed = 0;  // what no rank changes: layers that have a rank of their own
  Index per_rank = 0;

  [[nodiscard]] Index at(Index rank) const { return fixed + rank * per_rank; }
};

RankCost rank_cost(model::PeftConfig config, model::Decoder& decoder) {
  config.r = 1;
  const Index one = model::Adapter::count_parameters(config, decoder);
  config.r = 2;
  const Index per_rank = model::Adapter::count_parameters(config, decoder) - one;
  return {.fixed = one - per_rank, .per_rank = per_rank};
}

Index budget_of(const Request& request, model::Decoder& decoder) {
  if (!request.budget) return 0;
  const Budget& budget = *request.budget;
  if (budget.parameters) return *budget.parameters;
  try {
    model::PeftConfig config;
    config.r = budget.rank;
    config.target_modules = budget.target_modules;
    return model::Adapter::count_parameters(config, decoder);
  } catch (const Error& error) {
    throw Error("[sweep] budget: {}", error.what());
  }
}

/// Rank and parameters; alpha needs the first rank of all.
void resolve_rank(const RowRequest& request, Index budget, model::Decoder& decoder, Row& row, Plan& plan) {
  const RankCost cost = rank_cost(row.options.lora, decoder);
  if (budget > 0 && request.rank) {
    throw Error("budget: found with rank {}; expected one of them: the budget chooses ranks", *request.rank);
  }
  if (request.rank) row.options.lora.r = *request.rank;
  if (budget > 0 && cost.per_rank == 0) {
    throw Error("budget: found with a rank_pattern that gives every layer its rank; expected one of them");
  }
  if (budget > 0) {
    row.options.lora.r = rank_for_budget(std::max<Index>(budget - cost.fixed, 0), cost.per_rank);
  }
  row.trainable_parameters = cost.at(row.options.lora.r);
  const double share = static_cast<double>(row.trainable_parameters) / static_cast<double>(budget);
  if (budget > 0 && std::abs(share - 1.0) > kNearBudget) {
    plan.warnings.push_back(
        fmt::format("{}: rank {} has {} parameters, {:.0f} % of the budget of {}; whole "
                    "ranks come no nearer",
                    row.targets, row.options.lora.r, row.trainable_parameters, 100.0 * share, budget));
  }
}

/// A row without its label and alpha.
void add_row(const RowRequest& wanted, model::Decoder& decoder, Plan& plan) {
  Row& row =
      plan.rows.emplace_back(Row{.label = wanted.name, .options = wanted.options, .varied = wanted.varied});
  row.options.lr = wanted.options.learning_rate();
  row.options.dtype = decoder.compute();
  row.options.max_seq_length = wanted.options.sequence_length(decoder.config().max_position_embeddings);
  if (!is_lora(row.options)) {
    row.trainable_parameters = model::count_weights(decoder.config());
    return;
  }
  row.targets = wanted.targets_name.empty() ? model::format_target_modules(row.options.lora.target_modules)
                                            : wanted.targets_name;
  try {
    resolve_rank(wanted, plan.budget, decoder, row, plan);
  } catch (const Error& error) {
    // Rows have no labels yet: the rank is a part of them.
    throw Error("[sweep] row {} ({}): {}", plan.rows.size(), row.label.empty() ? row.targets : row.label,
                error.what());
  }
}

Index first_rank_of(const Request& request, const std::vector<Row>& rows) {
  const auto first =
      std::find_if(rows.begin(), rows.end(), [](const Row& row) { return is_lora(row.options); });
  if (first == rows.end()) return 0;
  return request.budget && !request.budget->parameters ? request.budget->rank : first->options.lora.r;
}

/// Of equal scale alpha grows as what it is divided by.
double alpha_of(const RowRequest& request, const Plan& plan, const model::PeftConfig& lora) {
  if (request.exact_alpha) return *request.exact_alpha;
  if (plan.alpha_rule == AlphaRule::kFixed)
    return request.alpha.value_or(static_cast<double>(plan.first_rank));
  const double first = lora.rank_divisor(plan.first_rank);
  return request.alpha.value_or(first) * lora.rank_divisor(lora.r) / first;
}

void add_cells(const Request& request, Plan& plan) {
  const Index count = std::ssize(plan.rows) * std::ssize(request.seeds);
  if (count > kMostCells) {
    throw Error("[sweep] found {} rows of {} seeds, {} cells; expected at most {}", plan.rows.size(),
                request.seeds.size(), count, kMostCells);
  }
  std::map<std::string, Index> rows;  // by what they train: the order of targets makes no difference
  for (Index row = 0; row < std::ssize(plan.rows); ++row) {
    const Row& of = plan.rows[static_cast<std::size_t>(row)];
    Row sorted = of;
    std::sort(sorted.options.lora.target_modules.names.begin(),
              sorted.options.lora.target_modules.names.end());
    for (const std::uint64_t seed : request.seeds) {
      Cell cell{.name = cell_name(of, seed), .row = row, .options = of.options};
      cell.options.seed = seed;
      const auto [other, is_new] = rows.emplace(cell_name(sorted, seed), row);
      if (!is_new && other->second == row) throw Error("[sweep] seed: {} comes twice", seed);
      if (!is_new) {
        throw Error("[sweep] rows {} and {} are the same: {}; expected each once", other->second + 1, row + 1,
                    cell.name);
      }
      plan.cells.push_back(std::move(cell));
    }
  }
}

/// How alphas were chosen, where some row is LoRA.
std::string alpha_text(const Plan& plan) {
  if (!plan.some_by_rule) return "Every LoRA row has an alpha of its own.";
  const std::string_view others = plan.some_own_alpha ? " Rows that name an alpha of their own keep it." : "";
  if (plan.alpha_rule == AlphaRule::kEqualScale) {
    return fmt::format("Alpha grows with the rank, so that every row is scaled alike{}.{}",
                       plan.alpha_given ? "" : ", by 1", others);
  }
  const std::string first =
      plan.alpha_given
          ? std::string()
          : fmt::format(": {}, {} (lorry train alone would take {})", plan.first_rank,
                        plan.rank_of_budget ? "the rank that the budget names" : "the first rank tried",
                        train::default_lora().lora_alpha);
  return fmt::format(
      "Alpha is the same for every rank{}, so the update's scale, alpha / rank, falls as the rank grows.{}",
      first, others);
}

}  // namespace

Index rank_for_budget(Index budget, Index parameters_per_rank) {
  const Index below = budget / parameters_per_rank;
  const Index rest = budget - below * parameters_per_rank;
  return std::max<Index>(1, rest > parameters_per_rank - rest ? below + 1 : below);
}

Plan make_plan(const Request& request, model::Decoder& decoder) {
  Plan plan{.seeds = std::ssize(request.seeds),
            .budget = budget_of(request, decoder),
            .alpha_rule = request.alpha_rule};
  for (const RowRequest& wanted : request.rows) add_row(wanted, decoder, plan);
  plan.first_rank = first_rank_of(request, plan.rows);
  plan.rank_of_budget = request.budget && !request.budget->parameters;
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    train::TrainOptions& options = plan.rows[i].options;
    plan.alpha_given = plan.alpha_given || request.rows[i].alpha;
    if (!is_lora(options)) continue;
    options.lora.lora_alpha = alpha_of(request.rows[i], plan, options.lora);
    (request.rows[i].exact_alpha ? plan.some_own_alpha : plan.some_by_rule) = true;
  }
  add_cells(request, plan);
  name_rows(plan.rows);
  return plan;
}

std::string rules_text(const Plan& plan) {
  if (plan.first_rank == 0) return {};
  if (plan.budget == 0) return alpha_text(plan);
  return fmt::format(
      "The rank of each LoRA row is the whole number that brings it nearest to the budget of {} trainable "
      "parameters. {}",
      plan.budget, alpha_text(plan));
}

}  // namespace lorry::sweep
