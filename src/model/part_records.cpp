#include "model/part_records.hpp"

#include <cmath>

#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "io/message_text.hpp"
#include "model/peft_names.hpp"

namespace lorry::model {

namespace {

/// One entry of a map's list, behind those that end at (first_output, first_rank).
PartRecord read_record(const io::Json& json, const std::string& where, Index first_output, Index first_rank,
                       const io::TensorView& a, const io::TensorView& b) {
  if (!json.is_object()) throw Error("[load] {}: found {}; expected an object", where, json.type_name());
  PartRecord record{.name = io::get_string(json, "name", where),
                    .first_output = io::get_index(json, "first_output", where, first_output, b.shape[0] - 1),
                    .first_rank = first_rank};
  if (record.name.empty() || record.name.find('.') != std::string::npos) {
    throw Error("[load] {}: field \"name\": found {}; expected a name without dots", where,
                io::in_quotes(record.name));
  }
  record.outputs = io::get_index(json, "outputs", where, 1, b.shape[0] - record.first_output);
  record.rank = io::get_index(json, "rank", where, 1, a.shape[0] - first_rank);
  record.scale = static_cast<float>(io::get_number(json, "scale", where));
  if (!std::isfinite(record.scale) || record.scale == 0.0F) {
    throw Error("[load] {}: field \"scale\": found {}; expected a finite number other than 0", where,
                record.scale);
  }
  return record;
}

std::vector<PartRecord> read_map(const io::Json& list, const std::string& map, const std::string& where,
                                 const io::SafetensorsFile& file) {
  const io::TensorView* a = file.find(peft_name(map, kLoraA));
  const io::TensorView* b = file.find(peft_name(map, kLoraB));
  if (a == nullptr || b == nullptr || a->shape.size() != 2 || b->shape.size() != 2 ||
      a->shape[0] != b->shape[1]) {
    throw Error("[load] {}: found parts of a map without lora_A and lora_B of one rank; expected both",
                where);
  }
  if (!list.is_array()) throw Error("[load] {}: found {}; expected a list", where, list.type_name());
  std::vector<PartRecord> records;
  Index output = 0;
  Index rank = 0;
  for (const io::Json& json : list) {
    if (rank == a->shape[0] || output == b->shape[0]) {
      throw Error("[load] {}: found more parts than rank {} and {} outputs hold", where, a->shape[0],
                  b->shape[0]);
    }
    records.push_back(read_record(json, where, output, rank, *a, *b));
    output = records.back().first_output + records.back().outputs;
    rank += records.back().rank;
  }
  if (rank != a->shape[0]) {
    throw Error("[load] {}: found parts of {} ranks together; lora_A has {}", where, rank, a->shape[0]);
  }
  return records;
}

}  // namespace

std::string write_part_records(const PartRecords& records) {
  io::OrderedJson json = io::OrderedJson::object();
  for (const auto& [map, parts] : records) {
    for (const PartRecord& part : parts) {
      json[map].push_back({{"name", part.name},
                           {"first_output", part.first_output},
                           {"outputs", part.outputs},
                           {"rank", part.rank},
                           {"scale", part.scale}});
    }
  }
  return json.dump();
}

PartRecords read_part_records(const io::SafetensorsFile& file) {
  const auto found = file.metadata().find(kPartsKey);
  if (found == file.metadata().end()) return {};
  const std::string where = fmt::format("{}: metadata \"{}\"", file.path().string(), kPartsKey);
  const io::Json json = io::parse_json(found->second, where);
  if (!json.is_object()) throw Error("[load] {}: found {}; expected an object", where, json.type_name());
  PartRecords records;
  for (const auto& [map, list] : json.items()) {
    records[map] = read_map(list, map, fmt::format("{}: {}", where, io::in_quotes(map)), file);
  }
  return records;
}

}  // namespace lorry::model
