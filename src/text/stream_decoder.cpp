#include "text/stream_decoder.hpp"

#include <utility>

#include "text/utf8.hpp"

namespace lorry::text {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {
  bool joined = false;
  for (const DecodeStep& step : tokenizer.decoder().steps()) {
    fragmented_.push_back(joined);
    joined = joined || std::holds_alternative<Fuse>(step) || std::holds_alternative<ByteLevelDecode>(step);
  }
  reset();
}

void StreamDecoder::reset() {
  states_.assign(fragmented_.size(), State{});
  first_ = true;
}

std::string StreamDecoder::push(std::int32_t id) {
  const std::string* token = tokenizer_->decoder_token(id, skip_special_tokens_);
  if (token == nullptr) return {};
  if (tokenizer_->decoder().is_absent() && !first_) out_ += ' ';
  first_ = false;
  feed(0, *token);
  return std::exchange(out_, {});
}

std::string StreamDecoder::finish() {
  for (std::size_t stage = 0; stage < states_.size(); ++stage) flush(stage);
  reset();
  return std::exchange(out_, {});
}

void StreamDecoder::feed(std::size_t stage, std::string token) {
  if (stage == states_.size()) {
    out_ += token;
    return;
  }
  if (fragmented_[stage]) return feed_fragment(stage, std::move(token));
  const DecodeStep& step = tokenizer_->decoder().steps()[stage];
  State& state = states_[stage];
  if (const auto* replace = std::get_if<Replace>(&step)) {
    feed(stage + 1, replace->apply(token));
  } else if (const auto* strip = std::get_if<StripChars>(&step)) {
    feed(stage + 1, strip->apply(token));
  } else if (const auto* meta = std::get_if<MetaspaceDecode>(&step)) {
    feed(stage + 1, meta->apply(token, state.seen++ == 0));
  } else if (std::holds_alternative<ByteLevelDecode>(step)) {
    state.held += bytes_of_token(token);
    const auto certain = state.held.size() - static_cast<std::size_t>(unfinished_tail(state.held));
    const std::string text = replace_invalid_utf8(std::string_view(state.held).substr(0, certain));
    state.held.erase(0, certain);
    feed(stage + 1, text);
  } else if (std::holds_alternative<ByteFallback>(step)) {
    if (const auto byte = byte_of_token(token)) {
      state.held += *byte;
    } else {
      flush(stage);
      feed(stage + 1, std::move(token));
    }
  } else {
    feed(stage + 1, std::move(token));  // Fuse
  }
}

void StreamDecoder::feed_fragment(std::size_t stage, std::string fragment) {
  const DecodeStep& step = tokenizer_->decoder().steps()[stage];
  if (std::holds_alternative<Fuse>(step)) return feed(stage + 1, std::move(fragment));
  if (const auto* strip = std::get_if<StripChars>(&step)) return strip_fragment(stage, *strip, fragment);
  states_[stage].held += fragment;  // the other steps need the whole text; no known tokenizer has them here
}

void StreamDecoder::strip_fragment(std::size_t stage, const StripChars& strip, std::string_view fragment) {
  State& state = states_[stage];
  while (!state.started && !fragment.empty()) {
    state.started = state.seen == strip.start || !fragment.starts_with(strip.character);
    if (state.started) break;
    fragment.remove_prefix(strip.character.size());
    ++state.seen;
  }
  state.held += fragment;
  std::size_t certain = state.held.size();
  for (Index i = 0; i < strip.stop; ++i) {
    if (!std::string_view(state.held).substr(0, certain).ends_with(strip.character)) break;
    certain -= strip.character.size();
  }
  std::string text = state.held.substr(0, certain);
  state.held.erase(0, certain);
  feed(stage + 1, std::move(text));
}

void StreamDecoder::flush(std::size_t stage) {
  const DecodeStep& step = tokenizer_->decoder().steps()[stage];
  const std::string held = std::exchange(states_[stage].held, {});
  if (held.empty()) return;
  const bool whole = fragmented_[stage];
  if (whole && std::holds_alternative<StripChars>(step)) return;  // what is held are the characters to strip
  if (const auto* replace = std::get_if<Replace>(&step)) {
    feed(stage + 1, replace->apply(held));
  } else if (const auto* meta = std::get_if<MetaspaceDecode>(&step)) {
    feed(stage + 1, meta->apply(held, true));
  } else if (std::holds_alternative<ByteLevelDecode>(step)) {
    feed(stage + 1, replace_invalid_utf8(whole ? bytes_of_token(held) : held));
  } else if (std::holds_alternative<ByteFallback>(step)) {
    const auto byte = whole ? byte_of_token(held) : std::nullopt;
    feed(stage + 1, whole && !byte ? held : decode_byte_run(whole ? std::string(1, *byte) : held));
  }
}

}  // namespace lorry::text
