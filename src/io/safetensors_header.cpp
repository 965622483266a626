#include "io/safetensors_header.hpp"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace {

constexpr std::size_t kMaxDimensions = 32;
constexpr std::string_view kFieldNames = "dtype, shape and data_offsets";

std::string supported_dtypes() {
  std::string names;
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64, DType::kI32,
                            DType::kI16, DType::kI8, DType::kU8, DType::kBool}) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(dtype));
  }
  return names;
}

/// Receives the events of nlohmann's SAX parser; the names of its members are that library's.
class HeaderReader {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() { return unexpected("null"); }
  bool boolean(bool value) { return unexpected(value ? "true" : "false"); }
  bool number_integer(Json::number_integer_t value) { return unexpected(fmt::format("{}", value)); }
  bool number_float(Json::number_float_t, const std::string& digits) { return unexpected(digits); }
  bool binary(Json::binary_t&) { return unexpected("binary data"); }

  bool number_unsigned(Json::number_unsigned_t value) {
    const bool fits = value <= static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    if (!fits || (state_ != State::kShape && state_ != State::kOffsets)) {
      return unexpected(fmt::format("{}", value));
    }
    std::vector<Index>& list = state_ == State::kShape ? entry_.shape : offsets_;
    const std::size_t limit = state_ == State::kShape ? kMaxDimensions : 2;
    if (list.size() == limit) fault(fmt::format("more than {} numbers", limit), expected());
    list.push_back(static_cast<Index>(value));
    return true;
  }

  bool string(std::string& value) {
    if (state_ == State::kMetadata) {
      header_.metadata[metadata_key_] = value;
      return true;
    }
    if (state_ != State::kTensor || field_ != "dtype") return unexpected(in_quotes(value));
    const auto dtype = dtype_from_name(value);
    if (!dtype) fault(in_quotes(value), fmt::format("one of {}", supported_dtypes()));
    entry_.dtype = *dtype;
    return true;
  }

  bool start_object(std::size_t) {
    if (state_ == State::kStart) {
      state_ = State::kTop;
    } else if (state_ == State::kTop) {
      state_ = in_metadata_ ? State::kMetadata : State::kTensor;
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool key(std::string& name) {
    if (state_ == State::kTop) {
      if (!names_.insert(name).second) fault_at("header", in_quotes(name) + " twice", "every name once");
      in_metadata_ = name == kMetadataKey;
      field_.clear();
      fields_seen_.clear();
      offsets_.clear();
      entry_ = {};
      entry_.name = name;
    } else if (state_ == State::kMetadata) {
      metadata_key_ = name;
      if (header_.metadata.contains(name)) fault(in_quotes(name) + " twice", "every name once");
    } else {
      field_.clear();
      if (name != "dtype" && name != "shape" && name != "data_offsets") {
        fault("field " + in_quotes(name), fmt::format("{}", kFieldNames));
      }
      if (!fields_seen_.insert(name).second) fault("field " + in_quotes(name) + " twice", "every field once");
      field_ = name;
    }
    return true;
  }

  bool end_object() {
    if (state_ == State::kTensor) finish_tensor();
    state_ = state_ == State::kTop ? State::kEnd : State::kTop;
    return true;
  }

  bool start_array(std::size_t) {
    if (state_ != State::kTensor || (field_ != "shape" && field_ != "data_offsets")) {
      return unexpected("a list");
    }
    state_ = field_ == "shape" ? State::kShape : State::kOffsets;
    return true;
  }

  bool end_array() {
    state_ = State::kTensor;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
    throw Error("[load] {}: header: not valid JSON: {}", file_, json_fault(error.what()));
  }

 private:
  enum class State { kStart, kTop, kTensor, kShape, kOffsets, kMetadata, kEnd };

  [[noreturn]] void fault_at(std::string_view where, std::string_view found, std::string_view wanted) const {
    throw Error("[load] {}: {}: found {}; expected {}", file_, where, found, wanted);
  }

  /// At the tensor (and field) being read.
  [[noreturn]] void fault(std::string_view found, std::string_view wanted) const {
    if (names_.empty()) fault_at("header", found, wanted);
    std::string where = in_metadata_ ? std::string(kMetadataKey) : "tensor " + in_quotes(entry_.name);
    if (!field_.empty()) where += ": " + field_;
    fault_at(where, found, wanted);
  }

  [[nodiscard]] std::string expected() const {
    if (names_.empty()) return "an object";
    if (in_metadata_) return "an object of strings";
    if (field_ == "dtype") return "a string";
    if (field_ == "shape") return fmt::format("a list of at most {} integers from 0 up", kMaxDimensions);
    if (field_ == "data_offsets") return "a list of two integers from 0 up";
    return fmt::format("an object of {}", kFieldNames);
  }

  bool unexpected(std::string_view found) const { fault(found, expected()); }

  void finish_tensor() {
    field_.clear();
    if (fields_seen_.size() != 3) fault("fewer fields", fmt::format("{}", kFieldNames));
    field_ = "data_offsets";
    if (offsets_.size() != 2) fault(fmt::format("{} numbers", offsets_.size()), expected());
    if (offsets_[0] > offsets_[1]) {
      fault(fmt::format("[{}, {}]", offsets_[0], offsets_[1]), "the beginning before the end");
    }
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    header_.tensors.push_back(std::move(entry_));
  }

  const std::string& file_;
  SafetensorsHeader header_;
  State state_ = State::kStart;
  std::set<std::string> names_;        // keys of the top object so far
  bool in_metadata_ = false;           // the last of them was __metadata__
  std::string field_;                  // of the tensor being read; empty between fields
  std::set<std::string> fields_seen_;  // of that tensor
  std::string metadata_key_;
  SafetensorsHeader::Entry entry_;
  std::vector<Index> offsets_;
};

}  // namespace

std::optional<Index> byte_size(DType dtype, const std::vector<Index>& shape) {
  Index bytes = size_of(dtype);
  for (const Index dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  }
  return bytes;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& file) {
  HeaderReader reader(file);
  if (!text.starts_with('{')) throw Error("[load] {}: header: expected it to begin with {{", file);
  Json::sax_parse(text, &reader);
  return reader.take();
}

}  // namespace lorry::io
