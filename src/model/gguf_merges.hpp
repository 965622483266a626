// model/gguf_merges.hpp: the merges that a SentencePiece vocabulary implies.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/index.hpp"

namespace lorry::model {

/// SentencePiece (Kudo and Richardson 2018, arXiv:1808.06226) joins the two neighbours whose union is the
/// piece of the highest score. The same as ranked pairs, in the order that transformers' converter gives
/// them: by score, then by the lengths of left and right part, longest first. `scores` are finite, one for
/// each piece; pieces that `skip` marks take no part. Views into `pieces`, which are UTF-8 and all different.
std::vector<std::pair<std::string_view, std::string_view>> merges_by_score(
    const std::vector<std::string>& pieces, const std::vector<double>& scores, const std::vector<bool>& skip);

}  // namespace lorry::model
