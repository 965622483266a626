// sweep/row_names.hpp: what rows and cells are called, in tables and on disk.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sweep/plan.hpp"

namespace lorry::sweep {

/// A folder's name of letters, digits and "._=+-", at most 200 bytes:
/// "q_proj+v_proj-r4-alpha8-lr0.002-seed1". Everything that can differ between the rows of a file is in it.
std::string cell_name(const Row& row, std::uint64_t seed);

/// Fills label and series: what trains, the rank, and of learning rate and alpha what tells rows apart. A
/// label that is there stays, and is the series too. Throws Error for a label that comes twice.
void name_rows(std::vector<Row>& rows);

}  // namespace lorry::sweep
