// score/tokens_13a.hpp: words as NIST's mteval-v13a.pl cuts them, for BLEU and NIST.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lorry::score {

using Words = std::vector<std::string>;

/// One line of UTF-8. Punctuation stands alone but for apostrophes, hyphens that follow no digit, and periods
/// and commas between digits; &quot; &amp; &lt; and &gt; are taken for their characters.
Words tokenize_13a(std::string_view line);

}  // namespace lorry::score
