#include "cli/merge_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "report/table.hpp"

namespace lorry::cli {

namespace {

constexpr double kWorthTelling = 1e-3;  // of the update's norm
constexpr double kDrowned = 1.0;        // of the update's norm, lost
constexpr double kLeastKept = 0.5;      // of the update
constexpr std::ptrdiff_t kWorstShown = 5;

io::OrderedJson figures_of(const model::QuantLoss& loss) {
  return {{"update_norm", std::sqrt(loss.update_squares)},
          {"lost_norm", std::sqrt(loss.error_squares)},
          {"lost_to_update", loss.to_update()},  // null where there is no update
          {"kept", loss.kept()}};
}

/// quantizes: the loss holds that of rounding all of W, which takes nothing from the update by itself.
bool drowns(const model::QuantLoss& loss, bool quantizes) {
  return (!quantizes && loss.to_update() > kDrowned) || loss.kept() < kLeastKept;
}

/// The tensors that lost most of their updates, the worst first.
std::vector<const model::MergedTensor*> worst_of(const model::MergeReport& report) {
  std::vector<const model::MergedTensor*> tensors;
  for (const model::MergedTensor& tensor : report.adapted) {
    if (tensor.loss.update_squares > 0.0) tensors.push_back(&tensor);
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto* a, const auto* b) { return a->loss.to_update() > b->loss.to_update(); });
  return tensors;
}

}  // namespace

io::OrderedJson merge_losses(const model::MergeReport& report) {
  io::OrderedJson json = figures_of(report.loss);
  io::OrderedJson tensors = io::OrderedJson::array();
  for (const model::MergedTensor& tensor : report.adapted) {
    io::OrderedJson one = {{"name", tensor.name}, {"type", tensor.type}};
    one.update(figures_of(tensor.loss));
    tensors.push_back(std::move(one));
  }
  json["tensors"] = std::move(tensors);
  return json;
}

std::string merge_loss_text(const model::MergeReport& report) {
  std::vector<const model::MergedTensor*> worst = worst_of(report);
  if (worst.empty() || worst.front()->loss.to_update() < kWorthTelling) return "";
  report::Table table({{"tensor", false},
                       {"type", false},
                       {"|ΔW|", true},
                       {"lost", true},
                       {"lost/|ΔW|", true},
                       {"kept %", true}});
  const auto add = [&](const std::string& name, const std::string& type, const model::QuantLoss& loss) {
    table.add_row({name, type, std::sqrt(loss.update_squares), std::sqrt(loss.error_squares),
                   report::Cell(report::format_fixed(loss.to_update(), 3), loss.to_update()),
                   report::Cell(report::format_fixed(100.0 * loss.kept(), 1), loss.kept())});
  };
  const std::ptrdiff_t shown = std::min(kWorstShown, std::ssize(worst));
  for (const model::MergedTensor* tensor : std::span(worst).first(static_cast<std::size_t>(shown))) {
    add(tensor->name, tensor->type, tensor->loss);
  }
  add(fmt::format("all {}", worst.size()), "", report.loss);
  return fmt::format("what rounding lost of the update; the {} tensor{} that lost most:\n{}", shown,
                     shown == 1 ? "" : "s", table.to_text(100));
}

std::optional<std::string> merge_warning(const model::MergeReport& report, bool quantizes) {
  const std::vector<const model::MergedTensor*> worst = worst_of(report);
  const auto is_lost = [&](const model::MergedTensor* tensor) { return drowns(tensor->loss, quantizes); };
  const auto drowned = std::count_if(worst.begin(), worst.end(), is_lost);
  if (drowned == 0) return std::nullopt;
  const auto first = std::find_if(worst.begin(), worst.end(), is_lost);
  const model::MergedTensor& one = **first;
  return fmt::format(
      "warning: rounding drowns the update in {} of {} tensors ({} to {}: lost {:.2f} |ΔW|, kept {:.0f} % of "
      "ΔW); the adapter beside its base, or merged into wider weights, has all of it",
      drowned, worst.size(), one.name, one.type, one.loss.to_update(), 100.0 * one.loss.kept());
}

}  // namespace lorry::cli
