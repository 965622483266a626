// model/merge_panels.hpp: W + ΔW formed in float32, a panel of rows at a time, with ΔW beside it.
#pragma once
#include "model/merge_targets.hpp"
#include "model/panel_memory.hpp"
#include "model/quant_loss.hpp"
#include "ops/ops.hpp"

namespace lorry::model {

inline constexpr Index kMergePanel = Index{16} << 20;  // bytes in float32 that are formed at once

/// The rows of one merged tensor as a file is to have them, [rows, cols]. Holds a panel in float32 and as
/// much of ΔW: panel_cost().
class MergePanels {
 public:
  /// `base` is the tensor as the model has it, with which a target of other values is compared. turned: the
  /// file has the matrix transposed. Borrows both.
  MergePanels(const MergeTarget& target, WeightView base, bool turned, ops::Ops& ops);

  [[nodiscard]] Index rows() const noexcept { return turned_ ? source_.cols : source_.rows; }
  [[nodiscard]] Index cols() const noexcept { return turned_ ? source_.rows : source_.cols; }
  /// What the panels of this tensor, and what forming them reads, take; the writer adds its own.
  [[nodiscard]] PanelCost cost() const;

  /// Forms rows [first, first + count).
  void form(Index first, Index count);
  /// Puts the columns of the panel at hand in the order in which GGUF files have the rows of such heads
  /// (PackedMatrix::interleaved_head).
  void interleave_columns(Index head);
  /// W + ΔW [count, cols] F32.
  [[nodiscard]] const Matrix& values() const noexcept { return values_; }
  /// ΔW [count, cols] F32; empty where nothing changes, or there is nothing to compare with.
  [[nodiscard]] ConstMatrixView update() const noexcept {
    return has_update_ ? update_.view() : ConstMatrixView{};
  }

 private:
  /// Rows [first, first + count) of what the file has of `from`.
  void read(WeightView from, Index first, Index count, Matrix& to);
  void add_update(Index first, Index count);
  /// Puts the rows of tokens in their places, and fills update_ with what that changes.
  void put_tokens(Index first, Index count);
  void stretch(Index first);

  const MergeTarget& target_;
  const WeightView base_;
  const WeightView source_;  // the values, or W
  const bool turned_;
  const bool inputs_by_outputs_;  // in the file
  ops::Ops& ops_;
  Matrix values_;
  Matrix update_;
  bool has_update_ = false;
  Matrix turning_;  // [the matrix's own rows, count]
  Matrix h_;        // [count, R] F32: left^T, scaled
};

/// Adds what `written`, the values as the file says them, lost of a panel. All [n, cols] F32; `update` may be
/// empty. Sums do not depend on the number of threads.
void add_loss(const Matrix& values, const Matrix& written, ConstMatrixView update, Index threads,
              QuantLoss& loss);

}  // namespace lorry::model
