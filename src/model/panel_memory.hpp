// model/panel_memory.hpp: what it takes to go through the matrices of a model panel by panel, as merging and
// quantising do, from shapes alone; and how large panels may be within a budget.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "core/index.hpp"

namespace lorry::model {

/// One tensor that is written anew, whole rows at a time, and what is held of it meanwhile. Bytes.
struct PanelCost {
  Index rows = 0;  // as the file is to have it
  Index cols = 0;
  Index unit = 1;           // panels have a multiple of so many rows
  Index element_bytes = 0;  // for each element of a panel
  Index row_bytes = 0;      // for each row of a panel beside that, mapped pages included
  Index whole_bytes = 0;    // until the tensor is done

  /// Another one's bytes beside these; of the same tensor.
  PanelCost& operator+=(const PanelCost& other);
};

/// Rows of a panel of some `panel_bytes` bytes in float32: at least one unit, at most all.
Index panel_rows(Index rows, Index cols, Index unit, Index panel_bytes);

/// The most that one of `costs` takes with panels of that size, and `threads` threads with it.
Index panel_memory(std::span<const PanelCost> costs, Index panel_bytes, Index threads);

/// Bytes of a panel in float32: `most` without a budget; with one, halved until everything fits beside what
/// the process takes now. Pages that were only looked at are to be released before. Throws OptionError where
/// not even panels of 1 MiB fit, with the least budget that does.
Index panel_bytes_within(std::string_view command, const std::optional<Index>& budget, Index most,
                         std::span<const PanelCost> costs, Index threads);

}  // namespace lorry::model
