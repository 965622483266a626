// model/block_inputs.hpp: where the residual stream between blocks lives during a pass: what backward needs
// again in memory, or its lower part in a scratch file; what it does not need in rooms that are used again.
#pragma once
#include <memory>
#include <vector>

#include "io/scratch_queue.hpp"
#include "tensor/matrix.hpp"

namespace lorry::model {

/// Inputs of blocks, numbered as these, and the output of the last one under the number of blocks. A pass
/// takes B batches through a block before the next one, so it makes inputs in the order
/// (0, 0), (0, 1), ... (0, B-1), (1, 0), ... of (block, batch), then wants those that are kept from the top
/// down, batches still ascending:
///
///     not kept | kept in the file | kept in memory
///     0 ..       lowest ..          top ..    blocks
///
/// Those up to `top` pass through a ring of B + 1 rooms: when one is made, the one made B + 1 before it has
/// done its work, as the input of the block before, and is on the disk if it is to be. After the last one the
/// ring still holds all of `top`, and with each that backward is done with there is room to read one ahead.
/// So the same inputs are written and read whatever the disk does, once each.
///
/// Legend: N rows of a batch, D hidden size.
class BlockInputs {
 public:
  /// Of a pass.
  struct Shape {
    std::vector<Index> rows = {};  // N of each batch
    Index cols = 0;                // D
    Index blocks = 0;
    Index lowest = 0;  // the first that is kept; `blocks`: only the last output
  };

  /// From the next pass on, the lowest `blocks` inputs that are kept go to the file; the topmost stays in
  /// memory anyway.
  void use_file(io::ScratchFile file, Index blocks);

  /// Makes room for a pass. What an earlier one kept is lost.
  void start(Shape shape);
  /// [N,D] F32, to be filled: the next one in the order above, when those before it have been. Waits for the
  /// disk.
  MatrixView make(Index block, Index batch);
  /// [N,D] F32 as it was made. Going up: one of those that the last B + 1 calls of make() gave, or kept
  /// in memory. After turn(): the next one in the order down, or again the one before; waits for the disk.
  ConstMatrixView get(Index block, Index batch);
  /// After the last one was made and used going up: from here on it goes down.
  void turn();

  /// Inputs of a batch that are kept, the last output among them.
  [[nodiscard]] Index kept() const noexcept { return shape_.blocks - shape_.lowest + 1; }
  /// In memory.
  [[nodiscard]] Index bytes() const noexcept;
  /// Whether no input of this block, kept and made, is NaN or infinite. Before turn() only, where there is a
  /// file; reads it.
  [[nodiscard]] bool all_finite(Index block) const;
  /// Of the file.
  [[nodiscard]] io::ScratchQueue::Totals totals() const;

  /// Matrices [N,D] in memory for so many batches with `in_file` inputs of each in the file.
  [[nodiscard]] static Index rooms(Index batches, Index blocks, Index lowest, Index in_file);
  /// Inputs that can be in the file.
  [[nodiscard]] static Index most_in_file(Index blocks, Index lowest) { return blocks - lowest; }

 private:
  [[nodiscard]] Index batches() const noexcept { return std::ssize(shape_.rows); }
  /// Place in the order up.
  [[nodiscard]] Index place(Index block, Index batch) const noexcept { return block * batches() + batch; }
  /// Of the rooms, that of a place that passes through the ring.
  [[nodiscard]] std::size_t slot(Index place) const noexcept {
    return static_cast<std::size_t>(place % (batches() + 1));
  }
  /// Of the rooms, that of an input going up.
  [[nodiscard]] std::size_t room(Index block, Index batch) const;
  [[nodiscard]] bool in_file(Index block) const noexcept { return block >= shape_.lowest && block < top_; }
  [[nodiscard]] Index offset(Index block, Index batch) const;  // bytes
  /// Has what is filled by now written: the places before `end`.
  void write_until(Index end);
  /// Has read what there is room for once the order down has come to `position`.
  void read_ahead(Index position);

  Shape shape_;
  std::vector<Index> first_row_;  // of each batch among all rows, then their number
  Index top_ = 0;                 // the lowest that is in memory when the pass turns
  std::vector<Matrix> rooms_;     // the ring, then one for each input above it; only ever more
  std::vector<Index> requests_;   // of each room of the ring: the last one that concerns it
  Index ring_rooms_ = 0;
  Index written_ = 0;  // places below are in the file, or asked to be, or do not go there
  Index read_ = 0;     // positions of the order down below are in memory, or asked to be
  bool down_ = false;
  Index asked_in_file_ = 0;
  // Null: all in memory. Last, and so the first to go: until then it may write from the rooms.
  std::unique_ptr<io::ScratchQueue> file_;
};

}  // namespace lorry::model
