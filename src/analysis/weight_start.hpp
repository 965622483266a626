// analysis/weight_start.hpp: updates that begin as a part of W: PiSSA (Meng et al. 2024, arXiv:2404.02948)
// takes its principal directions, OLoRA (Büyükakyüz 2024, arXiv:2406.01775) the first of its QR
// decomposition.
#pragma once
#include <cstdint>

#include "model/adapter.hpp"

namespace lorry::analysis {

/// Gives every update of a fresh adapter the A_0 and B_0 that its config asks for
/// (Adapter::Entry::begin_with), by PEFT's formulas; does nothing where the config asks for none. `seed` is
/// of the random projections of pissa_niter. `threads` work on modules side by side (0: one per processor);
/// results do not depend on them. Throws Error for weights that are not finite. Ranks and scales that no such
/// start has were refused when the adapter was made.
void start_from_weights(model::Adapter& adapter, model::Decoder& decoder, std::uint64_t seed, Index threads);

}  // namespace lorry::analysis
