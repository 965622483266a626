// model/part_records.hpp: which stacked updates of an adapter file are separate updates of a map's parts. The
// record is one entry of the safetensors header's metadata: PEFT does not look at it, and a file without it
// is an ordinary adapter.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.hpp"

namespace lorry::model {

inline constexpr const char* kPartsKey = "lorry.fused_parts";

/// How to read what the file has as one update of a fused map, but was trained as updates of its parts.
enum class PartsAs {
  kSeparate,  // as they were trained
  kStacked,   // as PEFT reads the file
};

/// One part's share of a stacked update: A [R,I] holds its rows from first_rank on, B [O,R] its block at
/// (first_output, first_rank). Everything of B that belongs to no part is zero.
struct PartRecord {
  std::string name;  // "q"
  Index first_output = 0;
  Index outputs = 0;
  Index first_rank = 0;
  Index rank = 0;
  float scale = 1.0F;  // it trains with; the file's B is of the map's own scale

  bool operator==(const PartRecord&) const = default;
};

/// By map: "transformer.h.0.attn.c_attn".
using PartRecords = std::map<std::string, std::vector<PartRecord>>;

/// The value of kPartsKey.
std::string write_part_records(const PartRecords& records);

/// What the file says of parts; empty where it says nothing. Throws Error for a record that cannot be: of a
/// map that the file does not hold, of overlapping parts, of ranks that do not make up the map's. Whether B
/// is zero outside of the parts is not looked at.
PartRecords read_part_records(const io::SafetensorsFile& file);

}  // namespace lorry::model
