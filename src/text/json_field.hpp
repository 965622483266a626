// text/json_field.hpp: reading a JSON document field by field, with errors that name the file and the field.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/index.hpp"

namespace lorry::text {

/// Lists of steps may hold lists of steps, in tokenizer.json; real files have one level.
inline constexpr int kMaxNesting = 16;

/// A borrowed value and where it stands. The document and the file name must outlive it.
class JsonField {
 public:
  JsonField(const nlohmann::json& value, const std::string& file, std::string path = "")
      : value_(&value), file_(&file), path_(std::move(path)) {}

  /// Throws `[load tokenizer] FILE: FIELD: found VALUE; expected ...`.
  [[noreturn]] void fail(std::string_view expected) const;
  /// Throws `[load tokenizer] FILE: FIELD: WHAT`.
  [[noreturn]] void fail_because(std::string_view what) const;

  [[nodiscard]] bool is_null() const { return value_->is_null(); }
  [[nodiscard]] bool is_string() const { return value_->is_string(); }
  [[nodiscard]] bool is_object() const { return value_->is_object(); }
  /// Present and not null.
  [[nodiscard]] bool has(const char* key) const;
  /// A required member; an Error if absent.
  [[nodiscard]] JsonField at(const char* key) const;
  /// Elements of a list.
  [[nodiscard]] Index size() const;
  [[nodiscard]] JsonField element(Index i) const;

  [[nodiscard]] std::string string() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] Index integer(Index low, Index high) const;  // low <= value <= high
  /// The member's value, or `otherwise` where it is absent or null.
  [[nodiscard]] bool boolean_or(const char* key, bool otherwise) const;
  [[nodiscard]] std::string string_or(const char* key, const std::string& otherwise) const;

  [[nodiscard]] const nlohmann::json& raw() const { return *value_; }
  [[nodiscard]] const std::string& file() const { return *file_; }

 private:
  const nlohmann::json* value_;
  const std::string* file_;
  std::string path_;  // "model.merges[3]"; empty for the document
};

/// The bytes of a regular file. Throws Error if it is none or cannot be read.
std::string read_file(const std::filesystem::path& file);

/// Reads and parses a whole file. Throws Error if it cannot be read or is not JSON.
nlohmann::json read_json_file(const std::filesystem::path& file);

}  // namespace lorry::text
