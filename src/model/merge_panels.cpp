#include "model/merge_panels.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "model/on_threads.hpp"

namespace lorry::model {

MergePanels::MergePanels(const MergeTarget& target, WeightView base, bool turned, ops::Ops& ops)
    : target_(target),
      base_(base),
      source_(target.values.empty() ? (target.weight.empty() ? base : target.weight)
                                    : WeightView(target.values)),
      turned_(turned),
      inputs_by_outputs_(target.inputs_by_outputs != turned),
      ops_(ops) {}

PanelCost MergePanels::cost() const {
  const bool changes = target_.update != nullptr || target_.tokens != nullptr || !target_.values.empty();
  const Index rank = target_.update != nullptr ? target_.update->rank : 0;
  const Index panels = 1 + (changes ? 1 : 0) + (turned_ ? 1 : 0);
  PanelCost cost{.rows = rows(), .cols = cols()};
  cost.element_bytes = panels * size_of(DType::kF32);
  // Of a matrix that is turned every panel reads all rows, whose pages stay.
  const Index read = source_.bytes() + (target_.values.empty() ? 0 : base_.bytes());
  cost.row_bytes = rank * size_of(DType::kF32) + (turned_ ? 0 : read / rows() + 1);
  cost.whole_bytes = turned_ ? read : 0;
  return cost;
}

void MergePanels::read(WeightView from, Index first, Index count, Matrix& to) {
  to.reshape(count, cols(), DType::kF32);
  if (!turned_) return ops_.copy(from.row_range(first, count), to);
  turning_.reshape(from.rows, count, DType::kF32);
  ops_.copy(from.col_range(first, count), turning_);
  ops_.transpose(turning_, to);
}

void MergePanels::form(Index first, Index count) {
  has_update_ = false;
  if (!target_.values.empty()) {
    read(target_.values, first, count, values_);
    if (base_.rows != source_.rows || base_.cols != source_.cols) return;
    has_update_ = true;
    read(base_, first, count, update_);  // for now W
    for (float *w = update_.row<float>(0), *end = w + update_.size(), *v = values_.row<float>(0); w != end;
         ++w, ++v) {
      *w = *v - *w;
    }
    return;
  }
  read(source_, first, count, values_);
  if (target_.update != nullptr) add_update(first, count);
  if (target_.tokens != nullptr) put_tokens(first, count);
}

void MergePanels::put_tokens(Index first, Index count) {
  LORRY_CHECK(!turned_);
  has_update_ = true;
  update_.reshape(count, cols(), DType::kF32);
  update_.fill_zero();
  const nn::TokenRows& tokens = *target_.tokens;
  for (std::size_t i = 0; i < tokens.ids().size(); ++i) {
    const Index row = tokens.ids()[i] - first;
    if (row < 0 || row >= count) continue;
    const float* const learnt = tokens.value.row<float>(static_cast<Index>(i));
    float* const value = values_.row<float>(row);
    std::transform(learnt, learnt + cols(), value, update_.row<float>(row), std::minus<>());
    std::copy_n(learnt, cols(), value);
  }
}

void MergePanels::interleave_columns(Index head) {
  PackedMatrix order;
  order.interleaved_head = head;
  std::vector<float> row(static_cast<std::size_t>(cols()));
  for (Matrix* panel : {&values_, &update_}) {
    if (panel == &update_ && !has_update_) continue;
    for (Index i = 0; i < panel->rows(); ++i) {
      float* const at = panel->row<float>(i);
      for (Index j = 0; j < cols(); ++j) row[static_cast<std::size_t>(order.stored_row(j))] = at[j];
      std::copy(row.begin(), row.end(), at);
    }
  }
}

/// Both layouts are scale * left^T right with left [R, rows of the file] and right [R, its columns].
void MergePanels::add_update(Index first, Index count) {
  has_update_ = true;
  const nn::LowRankUpdate& update = *target_.update;
  const ConstMatrixView left = inputs_by_outputs_ ? update.a : update.b_transposed;
  const ConstMatrixView right = inputs_by_outputs_ ? update.b_transposed : update.a;
  h_.reshape(count, update.rank, DType::kF32);
  ops_.transpose(left.col_range(first, count), h_);
  for (float* value = h_.row<float>(0); value != h_.row<float>(0) + h_.size(); ++value) {
    *value *= update.scale;
  }
  update_.reshape(count, cols(), DType::kF32);
  update_.fill_zero();
  ops_.low_rank_expand_add(h_, right, update_);
  ops_.add(update_, 1.0F, values_);
  if (!update.magnitude.empty()) stretch(first);
}

/// With DoRA: the rows of the panel by magnitude / norm of their outputs.
void MergePanels::stretch(Index first) {
  const nn::LowRankUpdate& update = *target_.update;
  Matrix factor(1, update.magnitude.cols());
  for (Index j = 0; j < factor.cols(); ++j) {
    const float norm = update.norm.row<float>(0)[j];
    factor.row<float>(0)[j] = norm > 0.0F ? update.magnitude.row<float>(0)[j] / norm : 1.0F;
  }
  const float* const factors = factor.row<float>(0);
  for (Index i = 0; i < values_.rows(); ++i) {
    float* const value = values_.row<float>(i);
    float* const change = update_.row<float>(i);
    for (Index j = 0; j < values_.cols(); ++j) {
      const float of_output = inputs_by_outputs_ ? factors[j] : factors[first + i];
      change[j] += value[j] * (of_output - 1.0F);
      value[j] *= of_output;
    }
  }
}

void add_loss(const Matrix& values, const Matrix& written, ConstMatrixView update, Index threads,
              QuantLoss& loss) {
  std::vector<QuantLoss> of_rows(static_cast<std::size_t>(values.rows()));
  on_threads(threads, [&](Index worker) {
    const Index end = values.rows() * (worker + 1) / threads;
    for (Index i = values.rows() * worker / threads; i < end; ++i) {
      const float* const value = values.row<float>(i);
      const float* const file = written.row<float>(i);
      const float* const change = update.empty() ? nullptr : update.row<float>(i);
      QuantLoss& sums = of_rows[static_cast<std::size_t>(i)];
      for (Index j = 0; j < values.cols(); ++j) {
        const double error = static_cast<double>(file[j]) - static_cast<double>(value[j]);
        sums.error_squares += error * error;
        sums.squares += static_cast<double>(value[j]) * static_cast<double>(value[j]);
        if (change == nullptr) continue;
        const double by = change[j];
        sums.update_squares += by * by;
        sums.error_on_update += error * by;
      }
    }
  });
  for (const QuantLoss& row : of_rows) loss.add(row);
}

}  // namespace lorry::model
