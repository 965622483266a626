#include "model/stacked_parts.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::model {

namespace {

Matrix copy_of(const Matrix& from) {
  if (from.empty()) return {};
  Matrix to(from.rows(), from.cols());
  std::copy_n(from.row<float>(0), from.size(), to.row<float>(0));
  return to;
}

/// to = ratio * from, in double so that each number is rounded once.
void copy_scaled(ConstMatrixView from, double ratio, MatrixView to) {
  for (Index i = 0; i < from.rows; ++i) {
    std::transform(from.row<float>(i), from.row<float>(i) + from.cols, to.row<float>(i),
                   [&](float value) { return static_cast<float>(ratio * static_cast<double>(value)); });
  }
}

using Entries = std::vector<const Adapter::Entry*>;

/// The scale of most entries; of several, the first one's.
float common_scale(const Entries& entries) {
  const auto uses = [&](const Adapter::Entry* of) {
    return std::count_if(entries.begin(), entries.end(), [&](const Adapter::Entry* entry) {
      return entry->update.scale == of->update.scale;
    });
  };
  return (*std::max_element(entries.begin(), entries.end(),
                            [&](const auto* x, const auto* y) { return uses(x) < uses(y); }))
      ->update.scale;
}

void add_stacked(const Entries& entries, Adapter& to) {
  const Index outputs = entries.front()->part->map_outputs;
  Index rank = 0;
  for (const Adapter::Entry* entry : entries) rank += entry->update.rank;
  Matrix a(rank, entries.front()->update.a.cols());
  Matrix b_transposed(rank, outputs);
  Matrix bias;
  if (!entries.front()->update.bias.empty()) bias = Matrix(1, outputs);
  const float scale = common_scale(entries);
  Index first_rank = 0;
  for (const Adapter::Entry* entry : entries) {
    const nn::LowRankUpdate& update = entry->update;
    copy_scaled(update.a, 1.0, a.view().row_range(first_rank, update.rank));
    const MatrixView block = b_transposed.view()
                                 .row_range(first_rank, update.rank)
                                 .col_range(entry->part->first, entry->part->outputs);
    const double ratio = static_cast<double>(update.scale) / static_cast<double>(scale);
    copy_scaled(update.b_transposed, ratio, block);
    if (!bias.empty()) {
      copy_scaled(update.bias, ratio, bias.view().col_range(entry->part->first, entry->part->outputs));
    }
    first_rank += update.rank;
  }
  to.add(entries.front()->part->map, std::move(a), std::move(b_transposed), scale, std::move(bias));
}

/// Entries of the same map as `entries[first]`, which stand side by side.
Entries neighbours(const Adapter& adapter, std::size_t first) {
  Entries same;
  const auto& all = adapter.entries();
  for (std::size_t i = first; i < all.size() && all[i]->map() == all[first]->map(); ++i) {
    same.push_back(all[i].get());
  }
  return same;
}

bool is_zero(ConstMatrixView view) {
  for (Index i = 0; i < view.rows; ++i) {
    if (std::any_of(view.row<float>(i), view.row<float>(i) + view.cols,
                    [](float value) { return value != 0.0F; })) {
      return false;
    }
  }
  return true;
}

const FusedPart& find_part(const std::vector<FusedPart>& parts, const std::string& map,
                           const PartRecord& record, std::string_view where) {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const FusedPart& part) {
    return part.map == map && part.name == record.name && part.first == record.first_output &&
           part.outputs == record.outputs;
  });
  if (found != parts.end()) return *found;
  throw Error("[load] {}: found part {} of {}, outputs {} to {}; this model has no such part", where,
              io::in_quotes(record.name), io::in_quotes(map), record.first_output,
              record.first_output + record.outputs - 1);
}

/// Throws Error where outputs that belong to no part have a bias.
void check_bias_of_parts(const Matrix& bias, const std::string& map, const std::vector<PartRecord>& records,
                         std::string_view where) {
  for (Index i = 0; i < bias.cols(); ++i) {
    const bool owned = std::any_of(records.begin(), records.end(), [&](const PartRecord& record) {
      return i >= record.first_output && i < record.first_output + record.outputs;
    });
    if (owned || bias.row<float>(0)[i] == 0.0F) continue;
    throw Error(
        "[load] {}: the bias of lora_B of {} is not zero at output {}, which no part has; expected "
        "zeros: changed by another program?",
        where, io::in_quotes(map), i);
  }
}

void add_separate(const Adapter::Entry& entry, const std::vector<PartRecord>& records,
                  const std::vector<FusedPart>& parts, std::string_view where, Adapter& to) {
  const nn::LowRankUpdate& update = entry.update;
  for (const PartRecord& record : records) {
    const FusedPart& part = find_part(parts, entry.module, record, where);
    const ConstMatrixView b = update.b_transposed.view().row_range(record.first_rank, record.rank);
    const Index end = part.first + part.outputs;
    if (!is_zero(b.col_range(0, part.first)) || !is_zero(b.col_range(end, b.cols - end))) {
      throw Error(
          "[load] {}: lora_B of {} is not zero outside of part {}; expected zeros: changed by another "
          "program?",
          where, io::in_quotes(entry.module), io::in_quotes(record.name));
    }
    Matrix a(record.rank, update.a.cols());
    copy_scaled(update.a.view().row_range(record.first_rank, record.rank), 1.0, a);
    Matrix own(record.rank, part.outputs);
    const double ratio = static_cast<double>(update.scale) / static_cast<double>(record.scale);
    copy_scaled(b.col_range(part.first, part.outputs), ratio, own);
    Matrix bias;
    if (!update.bias.empty()) {
      bias = Matrix(1, part.outputs);
      copy_scaled(update.bias.view().col_range(part.first, part.outputs), ratio, bias);
    }
    to.add(part, std::move(a), std::move(own), record.scale, std::move(bias));
  }
  if (!update.bias.empty()) check_bias_of_parts(update.bias, entry.module, records, where);
}

}  // namespace

Adapter stack_parts(const Adapter& adapter) {
  Adapter stacked(adapter.config());
  const auto& entries = adapter.entries();
  for (std::size_t i = 0; i < entries.size();) {
    const nn::LowRankUpdate& update = entries[i]->update;
    if (!entries[i]->part) {
      stacked.add(entries[i]->module, copy_of(update.a), copy_of(update.b_transposed), update.scale,
                  copy_of(update.bias));
      ++i;
      continue;
    }
    const Entries same = neighbours(adapter, i);
    add_stacked(same, stacked);
    i += same.size();
  }
  return stacked;
}

PartRecords part_records_of(const Adapter& adapter) {
  PartRecords records;
  for (const auto& entry : adapter.entries()) {
    if (!entry->part) continue;
    std::vector<PartRecord>& of_map = records[entry->part->map];
    const Index first_rank = of_map.empty() ? 0 : of_map.back().first_rank + of_map.back().rank;
    of_map.push_back({.name = entry->part->name,
                      .first_output = entry->part->first,
                      .outputs = entry->part->outputs,
                      .first_rank = first_rank,
                      .rank = entry->update.rank,
                      .scale = entry->update.scale});
  }
  return records;
}

Adapter separate_parts(Adapter stacked, const PartRecords& records, const std::vector<FusedPart>& parts,
                       std::string_view where) {
  Adapter separate(stacked.config());
  separate.copies() = std::move(stacked.copies());
  separate.embeddings() = std::move(stacked.embeddings());
  separate.tokens() = std::move(stacked.tokens());
  separate.tables() = std::move(stacked.tables());
  for (auto& entry : stacked.entries()) {
    const auto found = records.find(entry->module);
    if (found == records.end()) {
      nn::LowRankUpdate& update = entry->update;
      separate.add(entry->module, std::move(update.a), std::move(update.b_transposed), update.scale,
                   std::move(update.bias));
    } else {
      add_separate(*entry, found->second, parts, where, separate);
    }
  }
  return separate;
}

}  // namespace lorry::model
