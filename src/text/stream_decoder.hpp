// text/stream_decoder.hpp: text as tokens come.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "text/decoder.hpp"
#include "text/tokenizer.hpp"

namespace lorry::text {

/// Gives a text piece by piece while it is generated. All that push returned and then finish, joined, equals
/// Tokenizer::decode of all ids; every piece is valid UTF-8. Held back is only what later tokens may change:
/// an unfinished character, a run of byte tokens (whose text depends on the whole run), what a decoder may
/// strip at the end.
class StreamDecoder {
 public:
  /// `tokenizer` is borrowed and must outlive this object.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true);

  /// The text that `id` makes certain; often empty.
  std::string push(std::int32_t id);
  /// What was held back. Call once, at the end; afterwards the decoder is as new.
  std::string finish();

 private:
  struct State {
    std::string held;
    Index seen = 0;  // tokens, or characters stripped at the start
    bool started = false;
  };

  void reset();
  void feed(std::size_t stage, std::string token);
  void feed_fragment(std::size_t stage, std::string fragment);
  void strip_fragment(std::size_t stage, const StripChars& strip, std::string_view fragment);
  void flush(std::size_t stage);

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<State> states_;     // one per decoder step
  std::vector<bool> fragmented_;  // this step gets parts of one token, as a step before it joins all
  bool first_ = true;             // no token yet
  std::string out_;
};

}  // namespace lorry::text
