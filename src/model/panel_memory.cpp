#include "model/panel_memory.hpp"

#include <algorithm>

#include "core/memory_room.hpp"
#include "tensor/dtype.hpp"

namespace lorry::model {

namespace {

constexpr Index kLeastPanel = Index{1} << 20;
constexpr Index kThread = Index{128} << 10;  // its stack, and what its heap keeps
/// Around each page that is touched the system maps others that it has, of tensors beside too.
constexpr Index kPagesBeside = Index{1} << 20;

}  // namespace

PanelCost& PanelCost::operator+=(const PanelCost& other) {
  element_bytes += other.element_bytes;
  row_bytes += other.row_bytes;
  whole_bytes += other.whole_bytes;
  return *this;
}

Index panel_rows(Index rows, Index cols, Index unit, Index panel_bytes) {
  const Index fit = panel_bytes / (cols * size_of(DType::kF32));
  return std::clamp<Index>(fit - fit % unit, unit, rows);
}

Index panel_memory(std::span<const PanelCost> costs, Index panel_bytes, Index threads) {
  Index most = panel_bytes;  // tensors that are copied go by pieces of no more than that
  for (const PanelCost& cost : costs) {
    const Index rows = panel_rows(cost.rows, cost.cols, cost.unit, panel_bytes);
    most = std::max(most, rows * (cost.cols * cost.element_bytes + cost.row_bytes) + cost.whole_bytes);
  }
  return most + threads * kThread + kPagesBeside;
}

Index panel_bytes_within(std::string_view command, const std::optional<Index>& budget, Index most,
                         std::span<const PanelCost> costs, Index threads) {
  if (!budget) return most;
  const Index room = memory_room_for(command, *budget, panel_memory(costs, kLeastPanel, threads),
                                     "panels of the matrix that takes most");
  Index panel = most;
  while (panel > kLeastPanel && panel_memory(costs, panel, threads) > room) {
    panel = std::max(panel / 2, kLeastPanel);
  }
  return panel;
}

}  // namespace lorry::model
