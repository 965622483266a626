#include "model/block_inputs.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "tensor/finite.hpp"

namespace lorry::model {

namespace {

std::span<std::byte> bytes_of(Matrix& matrix) {
  return {matrix.view().data, static_cast<std::size_t>(matrix.bytes())};
}

Index ring_rooms(Index batches, Index top) {
  return std::min(batches + 1, (top + 1) * batches);
}

}  // namespace

void BlockInputs::use_file(io::ScratchFile file, Index blocks) {
  file_ = std::make_unique<io::ScratchQueue>(std::move(file));
  asked_in_file_ = blocks;
}

Index BlockInputs::rooms(Index batches, Index blocks, Index lowest, Index in_file) {
  const Index top = lowest + std::min(in_file, most_in_file(blocks, lowest));
  return ring_rooms(batches, top) + (blocks - top) * batches;
}

void BlockInputs::start(Shape shape) {
  if (file_) file_->wait_for_all();  // of a pass that was not gone through to its end
  shape_ = std::move(shape);
  LORRY_CHECK(!shape_.rows.empty() && shape_.lowest <= shape_.blocks);
  first_row_.assign(1, 0);
  for (const Index rows : shape_.rows) first_row_.push_back(first_row_.back() + rows);
  top_ = shape_.lowest + std::min(asked_in_file_, most_in_file(shape_.blocks, shape_.lowest));
  ring_rooms_ = ring_rooms(batches(), top_);
  requests_.assign(static_cast<std::size_t>(ring_rooms_), 0);
  written_ = 0;
  down_ = false;
  const auto count = static_cast<std::size_t>(rooms(batches(), shape_.blocks, shape_.lowest, asked_in_file_));
  if (rooms_.size() < count) rooms_.resize(count);
  const Index most = *std::max_element(shape_.rows.begin(), shape_.rows.end());
  // Any batch comes by each of them, and none may move while the file is written from it.
  for (Index i = 0; i < ring_rooms_; ++i) rooms_[slot(i)].reshape(most, shape_.cols, DType::kF32);
}

std::size_t BlockInputs::room(Index block, Index batch) const {
  LORRY_CHECK(block >= 0 && block <= shape_.blocks && batch >= 0 && batch < batches());
  if (block <= top_) return slot(place(block, batch));
  return static_cast<std::size_t>(ring_rooms_ + place(block - top_ - 1, batch));
}

Index BlockInputs::offset(Index block, Index batch) const {
  const Index row = (block - shape_.lowest) * first_row_.back() + first_row_[static_cast<std::size_t>(batch)];
  return row * shape_.cols * size_of(DType::kF32);
}

MatrixView BlockInputs::make(Index block, Index batch) {
  LORRY_CHECK(!down_);
  const std::size_t at = room(block, batch);
  if (file_) {
    write_until(place(block, batch));
    if (block <= top_) file_->wait(requests_[at]);
  }
  rooms_[at].reshape(shape_.rows[static_cast<std::size_t>(batch)], shape_.cols, DType::kF32);
  return rooms_[at];
}

void BlockInputs::write_until(Index end) {
  for (; written_ < std::min(end, top_ * batches()); ++written_) {
    const Index block = written_ / batches();
    if (!in_file(block)) continue;
    const std::size_t at = slot(written_);
    requests_[at] = file_->write(offset(block, written_ % batches()), bytes_of(rooms_[at]));
  }
}

void BlockInputs::turn() {
  LORRY_CHECK(!down_);
  down_ = true;
  if (!file_) return;
  LORRY_CHECK_EQ(written_, top_ * batches());
  read_ = batches();  // those of `top_` are there
  read_ahead(0);
}

void BlockInputs::read_ahead(Index position) {
  const Index end = std::min(position + batches() + 1, (top_ - shape_.lowest + 1) * batches());
  for (; read_ < end; ++read_) {
    const Index batch = read_ % batches();
    const std::size_t at = slot(top_ * batches() + read_);
    Matrix& x = rooms_[at];
    x.reshape(shape_.rows[static_cast<std::size_t>(batch)], shape_.cols, DType::kF32);
    requests_[at] = file_->read(offset(top_ - read_ / batches(), batch), bytes_of(x));
  }
}

ConstMatrixView BlockInputs::get(Index block, Index batch) {
  if (!down_ || block > top_) return rooms_[room(block, batch)];
  LORRY_CHECK(block >= shape_.lowest);
  const Index position = (top_ - block) * batches() + batch;
  const std::size_t at = slot(top_ * batches() + position);
  if (file_) {
    LORRY_CHECK(read_ <= position + batches() + 1);  // else another one is there already
    read_ahead(position);
    file_->wait(requests_[at]);
  }
  return rooms_[at];
}

Index BlockInputs::bytes() const noexcept {
  Index sum = 0;
  for (const Matrix& room : rooms_) sum += room.bytes();
  return sum;
}

bool BlockInputs::all_finite(Index block) const {
  LORRY_CHECK(!down_ || !file_);
  for (Index batch = 0; batch < batches(); ++batch) {
    if (!in_file(block)) {
      if (!lorry::all_finite(rooms_[room(block, batch)])) return false;
      continue;
    }
    Matrix x(shape_.rows[static_cast<std::size_t>(batch)], shape_.cols, DType::kF32);
    file_->wait(file_->read(offset(block, batch), bytes_of(x)));
    if (!lorry::all_finite(x)) return false;
  }
  return true;
}

io::ScratchQueue::Totals BlockInputs::totals() const {
  return file_ ? file_->totals() : io::ScratchQueue::Totals();
}

}  // namespace lorry::model
