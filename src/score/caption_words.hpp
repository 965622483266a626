// score/caption_words.hpp: words for METEOR, ROUGE-L and CIDEr: lower case, without punctuation.
#pragma once
#include <string_view>

#include "score/tokens_13a.hpp"

namespace lorry::score {

/// As the Penn Treebank cuts them, by these rules (coco-caption runs Stanford's PTBTokenizer, which has
/// more):
///
/// - letters and digits of any script make words, and so does a hyphen between two of them, and a period,
///   comma or colon between two digits ("family-friendly", "20.50", "10:30");
/// - "n't" is a word of its own ("do n't"), and so are 's 're 've 'll 'd 'm behind a word; any other
///   apostrophe between two letters is part of the word ("o'clock");
/// - . ? ! , : ; - -- ... and every kind of quote and bracket are left out; any other character is a word.
Words caption_words(std::string_view line);

}  // namespace lorry::score
