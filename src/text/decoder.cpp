#include "text/decoder.hpp"

#include <charconv>

#include "text/byte_alphabet.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

constexpr Index kMaxStrip = Index{1} << 20;  // characters

using Tokens = std::vector<std::string>;

std::string join(const Tokens& tokens, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += separator;
    text += tokens[i];
  }
  return text;
}

Tokens fall_back_to_bytes(const Tokens& tokens) {
  Tokens out;
  std::string run;
  const auto flush = [&] {
    if (!run.empty()) out.push_back(decode_byte_run(run));
    run.clear();
  };
  for (const std::string& token : tokens) {
    if (const auto byte = byte_of_token(token)) {
      run += *byte;
    } else {
      flush();
      out.push_back(token);
    }
  }
  flush();
  return out;
}

Tokens run_step(const DecodeStep& step, Tokens tokens) {
  if (std::holds_alternative<ByteLevelDecode>(step)) {
    std::string bytes;
    for (const std::string& token : tokens) bytes += bytes_of_token(token);
    return {replace_invalid_utf8(bytes)};
  }
  if (std::holds_alternative<ByteFallback>(step)) return fall_back_to_bytes(tokens);
  if (std::holds_alternative<Fuse>(step)) return {join(tokens, "")};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (const auto* replace = std::get_if<Replace>(&step)) tokens[i] = replace->apply(tokens[i]);
    if (const auto* strip = std::get_if<StripChars>(&step)) tokens[i] = strip->apply(tokens[i]);
    if (const auto* meta = std::get_if<MetaspaceDecode>(&step)) tokens[i] = meta->apply(tokens[i], i == 0);
  }
  return tokens;
}

}  // namespace

std::optional<char> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  std::string_view digits = token.substr(3, 2);
  if (digits.front() == '+') digits.remove_prefix(1);  // the peer's number parser lets a sign pass
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || value < 0) return std::nullopt;
  return static_cast<char>(value);
}

std::string decode_byte_run(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return std::string(bytes);
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) out += kReplacement;
  return out;
}

std::string bytes_of_token(std::string_view token) {
  std::string bytes;
  for (Index at = 0; at < std::ssize(token);) {
    const CodePoint c = decode_utf8(token, at);
    const auto byte = char_to_byte(c.value);
    if (!byte) return std::string(token);
    bytes += static_cast<char>(*byte);
    at += c.length;
  }
  return bytes;
}

std::string StripChars::apply(std::string_view token) const {
  for (Index i = 0; i < start && token.starts_with(character); ++i) token.remove_prefix(character.size());
  for (Index i = 0; i < stop && token.ends_with(character); ++i) token.remove_suffix(character.size());
  return std::string(token);
}

std::string MetaspaceDecode::apply(std::string_view token, bool is_first) const {
  return Replace{replacement, is_first && drop_in_first ? "" : " "}.apply(token);
}

Decoder::Decoder(const JsonField& field) {
  if (field.is_null()) return;
  absent_ = false;
  append(field, 0);
}

void Decoder::append(const JsonField& field, int depth) {
  if (depth > kMaxNesting) field.fail_because("Sequences are nested too deeply");
  const std::string type = field.at("type").string();
  if (type == "Sequence") {
    const JsonField parts = field.at("decoders");
    for (Index i = 0; i < parts.size(); ++i) append(parts.element(i), depth + 1);
  } else if (type == "ByteLevel") {
    steps_.emplace_back(ByteLevelDecode{});
  } else if (type == "ByteFallback") {
    steps_.emplace_back(ByteFallback{});
  } else if (type == "Fuse") {
    steps_.emplace_back(Fuse{});
  } else if (type == "Replace") {
    steps_.emplace_back(Replace{read_pattern(field.at("pattern")), field.at("content").string()});
  } else if (type == "Strip") {
    StripChars strip{field.at("content").string(), field.at("start").integer(0, kMaxStrip),
                     field.at("stop").integer(0, kMaxStrip)};
    if (strip.character.empty() || decode_utf8(strip.character, 0).length != std::ssize(strip.character)) {
      field.at("content").fail("one character");
    }
    steps_.emplace_back(std::move(strip));
  } else if (type == "Metaspace") {
    const Metaspace meta = read_metaspace(field);
    steps_.emplace_back(MetaspaceDecode{meta.replacement, meta.prepend != Metaspace::Prepend::kNever});
  } else {
    field.at("type").fail("Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip or Metaspace");
  }
}

std::string Decoder::decode(std::vector<std::string> tokens) const {
  if (absent_) return join(tokens, " ");
  for (const DecodeStep& step : steps_) tokens = run_step(step, std::move(tokens));
  return join(tokens, "");
}

}  // namespace lorry::text
