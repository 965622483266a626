// demo/realise.hpp: texts for a boat's record, from the sentence plans and phrasings of
// demo/task/boats.grammar.
#pragma once
#include <string>

#include "core/rng.hpp"
#include "grammar.hpp"
#include "record.hpp"

namespace lorry::demo {

/// One text that realises every slot of the record and nothing else: plan, order and phrasing drawn from
/// `rng`.
std::string realise(const Grammar& grammar, const Record& record, Rng& rng);

}  // namespace lorry::demo
