// model/stacked_parts.hpp: updates of a fused map's parts as one update of the map, which is what PEFT can
// hold, and back.
//
// Legend: parts p with A_p [R_p,I] and B_p [O_p,R_p]; R the sum of all R_p. Stacked: A [R,I] has the A_p one
// below another, B [O,R] has B_p at the part's outputs and its ranks, and is zero elsewhere. Then B A is
// every B_p A_p in its place.
#pragma once
#include <string_view>

#include "model/adapter.hpp"
#include "model/part_records.hpp"

namespace lorry::model {

/// The same updates with one for each map. Where the scales of a map's parts differ, it gets the one of most
/// parts (of several, the first part's), and each other B_p is multiplied by its scale over that: exact for
/// powers of two, else rounded once to float32. What else there is stays with `adapter`.
Adapter stack_parts(const Adapter& adapter);

/// What separate_parts needs beside the stacked adapter; empty without parts.
PartRecords part_records_of(const Adapter& adapter);

/// Undoes stack_parts, for a model with these `parts`. Throws Error, beginning with `where`, for parts that
/// the model has not, and where B is not zero outside of them.
Adapter separate_parts(Adapter stacked, const PartRecords& records, const std::vector<FusedPart>& parts,
                       std::string_view where);

}  // namespace lorry::model
