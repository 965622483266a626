// analysis/grid.hpp: a plain table of float64 numbers. Results are handed out in it, so that whoever prints
// or draws them needs no linear algebra library.
#pragma once
#include <vector>

#include "core/check.hpp"
#include "core/index.hpp"

namespace lorry::analysis {

/// [rows, cols], row-major. Grids of φ count from 0 here: φ(i, j) of the paper is at(i - 1, j - 1).
struct Grid {
  Index rows = 0;
  Index cols = 0;
  std::vector<double> values;

  Grid() = default;
  /// Zero at first.
  Grid(Index rows_in, Index cols_in)
      : rows(rows_in), cols(cols_in), values(static_cast<std::size_t>(rows_in * cols_in)) {}

  [[nodiscard]] bool empty() const noexcept { return values.empty(); }
  [[nodiscard]] double& at(Index i, Index j) { return values[position(i, j)]; }
  [[nodiscard]] double at(Index i, Index j) const { return values[position(i, j)]; }

 private:
  [[nodiscard]] std::size_t position(Index i, Index j) const {
    LORRY_CHECK(i >= 0 && i < rows && j >= 0 && j < cols);
    return static_cast<std::size_t>(i * cols + j);
  }
};

}  // namespace lorry::analysis
