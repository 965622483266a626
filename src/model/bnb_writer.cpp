#include "model/bnb_writer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.hpp"
#include "model/bnb_numbers.hpp"
#include "model/on_threads.hpp"

namespace lorry::model {

namespace {

template <class T>
std::span<const std::byte> bytes_of_all(const T& values) {
  return std::as_bytes(std::span(values));
}

/// Share i of `count` things among `workers`: [first, first + n).
struct Share {
  Index first;
  Index n;
};
Share share_of(Index count, Index workers, Index i) {
  const Index first = count * i / workers;
  return {first, count * (i + 1) / workers - first};
}

/// Sums over one block of codes: of w q, of q^2 and, with the update u, of u q; and what does not depend on
/// the scales: of w^2, of u^2, and of w u (taken away from the loss's error_on_update).
struct BlockSums {
  float product = 0.0F;
  float code_squares = 0.0F;
  float update_product = 0.0F;
  QuantLoss fixed;
};
BlockSums sums_of(std::span<const float> values, std::span<const float> updates, const std::uint8_t* codes) {
  BlockSums sums;
  std::array<float, kNf4Block> q{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int code = i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 0xF;
    q[i] = kNf4Map[static_cast<std::size_t>(code)];
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    sums.product += values[i] * q[i];
    sums.code_squares += q[i] * q[i];
    sums.fixed.squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const double update = updates[i];
    sums.update_product += updates[i] * q[i];
    sums.fixed.update_squares += update * update;
    sums.fixed.error_on_update -= update * static_cast<double>(values[i]);
  }
  return sums;
}

}  // namespace

BnbWriter::BnbWriter(io::SafetensorsWriter& writer, std::string name, Index rows, Index cols,
                     const BnbOptions& options, Index threads)
    : writer_(writer),
      name_(std::move(name)),
      rows_(rows),
      cols_(cols),
      options_(options),
      threads_(thread_count(threads)) {
  const bool nf4 = options_.format == BnbFormat::kNf4;
  const Index scales = nf4 ? (rows * cols + kNf4Block - 1) / kNf4Block : rows;
  absmax_.resize(static_cast<std::size_t>(scales));
  if (!nf4) return;
  products_.resize(absmax_.size());
  squares_.resize(absmax_.size());
  updates_.resize(absmax_.size());
}

PanelCost BnbWriter::cost(Index rows, Index cols, const BnbOptions& options) {
  PanelCost cost{.rows = rows, .cols = cols};
  cost.element_bytes = 1;  // a code; of NF4 half of it, and as much again of a block's loss
  if (options.format == BnbFormat::kInt8) {
    cost.row_bytes = static_cast<Index>(sizeof(QuantLoss));
    cost.whole_bytes = rows * size_of(DType::kF32);
    return cost;
  }
  const Index blocks = (rows * cols + kNf4Block - 1) / kNf4Block;
  // Scales, three sums, and in the end the scales as they will be read and their codes.
  cost.whole_bytes = blocks * (5 * size_of(DType::kF32) + 1);
  return cost;
}

bool BnbWriter::add(std::span<const float> values, std::span<const float> updates) {
  LORRY_CHECK(updates.empty() || updates.size() == values.size());
  if (options_.format == BnbFormat::kInt8) return add_rows(values, updates);
  const auto cut = [&](std::size_t at) {
    values = values.subspan(at);
    if (!updates.empty()) updates = updates.subspan(at);
  };
  const auto keep = [&](std::size_t count) {
    rest_.insert(rest_.end(), values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
    if (updates.empty()) return;
    rest_updates_.insert(rest_updates_.end(), updates.begin(),
                         updates.begin() + static_cast<std::ptrdiff_t>(count));
  };
  const auto is_last = [&](Index count) { return done_ * kNf4Block + count == rows_ * cols_; };
  if (!rest_.empty()) {
    const auto missing = std::min(values.size(), static_cast<std::size_t>(kNf4Block) - rest_.size());
    keep(missing);
    cut(missing);
    const bool last = is_last(std::ssize(rest_));
    if (std::ssize(rest_) < kNf4Block && !last) return true;
    if (!add_blocks(std::exchange(rest_, {}), std::exchange(rest_updates_, {}))) return false;
    if (last) return true;
  }
  const auto whole = is_last(std::ssize(values))
                         ? values.size()
                         : values.size() - values.size() % static_cast<std::size_t>(kNf4Block);
  if (!add_blocks(values.first(whole), updates.empty() ? updates : updates.first(whole))) return false;
  cut(whole);
  keep(values.size());
  return true;
}

bool BnbWriter::add_blocks(std::span<const float> values, std::span<const float> updates) {
  const Index blocks = (std::ssize(values) + kNf4Block - 1) / kNf4Block;
  LORRY_CHECK(done_ + blocks <= std::ssize(absmax_));
  codes_.resize((values.size() + 1) / 2);
  std::vector<QuantLoss> losses(static_cast<std::size_t>(blocks));  // added up in their order
  std::vector<char> finite(static_cast<std::size_t>(threads_), 1);
  const auto quantize = [&](Index worker) {
    const Share share = share_of(blocks, threads_, worker);
    for (Index block = share.first; block < share.first + share.n; ++block) {
      const auto at = static_cast<std::size_t>(done_ + block);
      const auto first = static_cast<std::size_t>(block * kNf4Block);
      const auto count = std::min<std::size_t>(kNf4Block, values.size() - first);
      const auto part = values.subspan(first, count);
      std::uint8_t* const codes = codes_.data() + first / 2;
      if (!quantize_nf4(part, codes, &absmax_[at])) finite[static_cast<std::size_t>(worker)] = 0;
      const BlockSums sums = sums_of(part, updates.empty() ? updates : updates.subspan(first, count), codes);
      products_[at] = sums.product;
      squares_[at] = sums.code_squares;
      updates_[at] = sums.update_product;
      losses[static_cast<std::size_t>(block)] = sums.fixed;
    }
  };
  if (blocks > 1) {
    on_threads(threads_, quantize);
  } else {
    for (Index i = 0; i < threads_; ++i) quantize(i);
  }
  for (const QuantLoss& loss : losses) loss_.add(loss);
  done_ += blocks;
  writer_.write(name_, bytes_of_all(codes_));
  return std::all_of(finite.begin(), finite.end(), [](char one) { return one != 0; });
}

bool BnbWriter::add_rows(std::span<const float> values, std::span<const float> updates) {
  const Index rows = std::ssize(values) / cols_;
  LORRY_CHECK_EQ(rows * cols_, std::ssize(values));
  LORRY_CHECK(done_ + rows <= rows_);
  rows_codes_.resize(values.size());
  std::vector<QuantLoss> losses(static_cast<std::size_t>(rows));
  on_threads(threads_, [&](Index worker) {
    const Share share = share_of(rows, threads_, worker);
    for (Index row = share.first; row < share.first + share.n; ++row) {
      QuantLoss& loss = losses[static_cast<std::size_t>(row)];
      const auto first = static_cast<std::size_t>(row * cols_);
      const auto part = values.subspan(first, static_cast<std::size_t>(cols_));
      std::int8_t* const codes = rows_codes_.data() + first;
      const float absmax = quantize_int8(part, codes);
      absmax_[static_cast<std::size_t>(done_ + row)] = absmax;
      if (!std::isfinite(absmax)) continue;
      for (std::size_t i = 0; i < part.size(); ++i) {
        const double value = part[i];
        const double error = value - static_cast<double>(static_cast<float>(codes[i]) * absmax) / 127.0;
        loss.error_squares += error * error;
        loss.squares += value * value;
        if (updates.empty()) continue;
        const double update = updates[first + i];
        loss.update_squares += update * update;
        loss.error_on_update -= error * update;
      }
    }
  });
  for (const QuantLoss& loss : losses) loss_.add(loss);
  writer_.write(name_, bytes_of_all(rows_codes_));
  const auto added =
      std::span(absmax_).subspan(static_cast<std::size_t>(done_), static_cast<std::size_t>(rows));
  done_ += rows;
  return std::all_of(added.begin(), added.end(), [](float absmax) { return std::isfinite(absmax); });
}

void BnbWriter::finish_nf4() {
  const auto write = [&](std::string_view ending, const auto& values) {
    writer_.write(name_ + std::string(ending), bytes_of_all(values));
  };
  write(kMapEnding, kNf4Map);
  std::vector<float> scales = absmax_;  // as they will be read
  float offset = 0.0F;
  if (options_.double_quant) {
    offset = nested_offset(absmax_);
    std::vector<std::uint8_t> nested(absmax_.size());
    std::vector<float> nested_absmax((absmax_.size() + kNestedBlock - 1) / kNestedBlock);
    quantize_absmax(absmax_, offset, nested.data(), nested_absmax.data());
    write(kAbsmaxEnding, nested);
    write(kNestedAbsmaxEnding, nested_absmax);
    write(kNestedMapEnding, nested_map());
    for (std::size_t i = 0; i < scales.size(); ++i) {
      const float part = nested_map()[nested[i]] * nested_absmax[i / static_cast<std::size_t>(kNestedBlock)];
      scales[i] = part + offset;
    }
  } else {
    write(kAbsmaxEnding, absmax_);
  }
  write(kNf4StateEnding, nf4_state(rows_, cols_, options_, offset));
  loss_.error_squares = loss_.squares;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const double scale = scales[i];
    loss_.error_squares +=
        scale * (scale * static_cast<double>(squares_[i]) - 2 * static_cast<double>(products_[i]));
    loss_.error_on_update += scale * static_cast<double>(updates_[i]);
  }
  loss_.error_squares = std::max(loss_.error_squares, 0.0);
}

QuantLoss BnbWriter::finish() {
  if (options_.format == BnbFormat::kNf4) {
    LORRY_CHECK_EQ(done_, std::ssize(absmax_));
    finish_nf4();
  } else {
    LORRY_CHECK_EQ(done_, rows_);
    const std::string module = name_.substr(0, name_.rfind('.'));
    writer_.write(module + std::string(kRowScalesEnding), bytes_of_all(absmax_));
    writer_.write(module + std::string(kWeightFormatEnding), bytes_of_all(std::array<std::uint8_t, 1>{0}));
  }
  return loss_;
}

}  // namespace lorry::model
