// score/porter_stemmer.hpp: English words without their endings.
#pragma once
#include <string>
#include <string_view>

namespace lorry::score {

/// Porter's algorithm ("An algorithm for suffix stripping", 1980) with the three departures of its author's
/// own program: words of one or two letters stay as they are, "bli" becomes "ble", and "logi" becomes "log".
/// The word is in lower case; characters beyond ASCII count as consonants.
std::string porter_stem(std::string_view word);

}  // namespace lorry::score
