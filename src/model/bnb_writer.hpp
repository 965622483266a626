// model/bnb_writer.hpp: one matrix, quantised as bitsandbytes does while it goes to the file.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/safetensors_writer.hpp"
#include "model/bnb_format.hpp"
#include "model/panel_memory.hpp"
#include "model/quant_loss.hpp"

namespace lorry::model {

/// Takes a matrix's values in row-major order, piece by piece, and writes the tensors of bnb_specs, which the
/// writer knows already. Holds the scales of the whole matrix (at most a third of a byte per weight) and the
/// codes of one piece.
class BnbWriter {
 public:
  BnbWriter(io::SafetensorsWriter& writer, std::string name, Index rows, Index cols,
            const BnbOptions& options, Index threads);

  /// What one holds of a matrix that comes to it by panels.
  static PanelCost cost(Index rows, Index cols, const BnbOptions& options);

  /// The values that follow; of int8, whole rows. False where one is not finite, or too large for int8's
  /// float16: the file is of no use then. `updates`, of all pieces or of none: what of the values was merged
  /// into them, for the loss alone.
  [[nodiscard]] bool add(std::span<const float> values, std::span<const float> updates = {});
  /// After the last value. The sums do not depend on threads and pieces.
  QuantLoss finish();

 private:
  [[nodiscard]] bool add_blocks(std::span<const float> values, std::span<const float> updates);
  [[nodiscard]] bool add_rows(std::span<const float> values, std::span<const float> updates);
  void finish_nf4();

  io::SafetensorsWriter& writer_;
  const std::string name_;
  const Index rows_;
  const Index cols_;
  const BnbOptions options_;
  const Index threads_;
  std::vector<float> rest_;          // less than a block
  std::vector<float> rest_updates_;  // of those
  std::vector<std::uint8_t> codes_;  // of one piece
  std::vector<std::int8_t> rows_codes_;
  std::vector<float> absmax_;  // of all blocks, or rows
  // For each block, with q the number that a code stands for: the loss follows from them once the scales are
  // quantised too.
  std::vector<float> products_;  // sum of w q
  std::vector<float> squares_;   // sum of q^2
  std::vector<float> updates_;   // sum of q times the update
  Index done_ = 0;               // blocks, or rows
  QuantLoss loss_;
};

}  // namespace lorry::model
