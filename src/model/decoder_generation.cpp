// Generation: Decoder's part that extends texts with a key/value cache.
#include <algorithm>

#include "model/decoder.hpp"

namespace lorry::model {

Decoder::Generation Decoder::start_generation(Index longest, Index texts) {
  check_positions(longest);
  return {.texts = TextCache(ops_, texts, config_.num_hidden_layers, config_.k_width(), compute_)};
}

ConstMatrixView Decoder::extend(Generation& generation, std::span<const TextPart> parts) {
  LORRY_CHECK(!parts.empty());
  std::vector<Index> texts, counts;
  std::vector<std::int32_t> ids, positions;
  Index longest = 0;
  bool decodes = true;
  for (const TextPart& part : parts) {
    LORRY_CHECK(!part.ids.empty());
    texts.push_back(part.text);
    counts.push_back(static_cast<Index>(part.ids.size()));
    const Index before = generation.texts.length(part.text);
    longest = std::max(longest, before + counts.back());
    decodes = decodes && before > 0 && counts.back() == 1;
    ids.insert(ids.end(), part.ids.begin(), part.ids.end());
    for (Index i = 0; i < counts.back(); ++i) positions.push_back(static_cast<std::int32_t>(before + i));
  }
  prepare_positions(longest);
  generation.texts.reserve(longest);
  nn::Context pass = context(nullptr);
  pass.decodes_in_integers = decodes && integer_decoding_;
  const nn::Extension extension = {positions, generation.texts.documents(texts, counts)};
  const auto rows = static_cast<Index>(ids.size());
  for (Matrix& x : generation.x) x.reshape(rows, config_.hidden_size, DType::kF32);
  embed(ids, positions, generation.x[0]);
  plan_visits(config_.num_hidden_layers);
  std::size_t at = 0;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    visit(static_cast<Index>(i));
    blocks_[i].forward_cached(pass, generation.x[at], rope_, extension, generation.texts.block(i),
                              generation.cache, generation.scratch, generation.x[1 - at]);
    at = 1 - at;
  }
  const auto part_count = static_cast<Index>(parts.size());
  generation.last.reshape(part_count, config_.hidden_size, compute_);
  generation.logits.reshape(part_count, config_.vocab_size, DType::kF32);
  Index end = 0;
  for (Index i = 0; i < part_count; ++i) {
    const Index count = counts[static_cast<std::size_t>(i)];
    generation.texts.add(texts[static_cast<std::size_t>(i)], count);
    end += count;
    final_norm_.forward(pass, generation.x[at].view().row_range(end - 1, 1),
                        generation.last.view().row_range(i, 1));
  }
  visit(config_.num_hidden_layers);
  head_.linear().forward(pass, generation.last, false, generation.head_cache, generation.head_scratch,
                         generation.logits);
  return generation.logits;
}

std::span<const float> Decoder::extend(Generation& generation, std::span<const std::int32_t> ids) {
  const TextPart part = {0, ids};
  const ConstMatrixView logits = extend(generation, std::span(&part, 1));
  return {logits.row<float>(0), static_cast<std::size_t>(logits.cols)};
}

}  // namespace lorry::model
