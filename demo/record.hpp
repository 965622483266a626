// demo/record.hpp: the input of the data-to-text task, a small boat's record of 3 to 7 slots on one line:
// `boat = Silver Wren; kind = ketch; hull = red; harbour = Brevik Quay; engine = no`.
#pragma once
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"

namespace lorry::demo {

/// Every slot, in the order a prompt lists them. `boat` is always given.
inline constexpr std::array<std::string_view, 8> kSlots = {"boat",    "kind",   "hull",  "harbour",
                                                           "skipper", "berths", "built", "engine"};
/// Slots whose values are names from an open pool; the other values are closed lists.
inline constexpr std::array<std::string_view, 3> kOpenSlots = {"boat", "harbour", "skipper"};

inline constexpr std::array<std::string_view, 10> kKinds = {"sloop",    "ketch", "cutter",  "yawl", "dinghy",
                                                            "schooner", "barge", "trawler", "tug",  "ferry"};
inline constexpr std::array<std::string_view, 10> kHulls = {"red",    "blue", "green",  "white", "black",
                                                            "yellow", "grey", "orange", "brown", "purple"};
/// Number words by value; berths run from 2 to 9.
inline constexpr std::array<std::string_view, 13> kNumberWords = {"zero", "one",    "two",   "three", "four",
                                                                  "five", "six",    "seven", "eight", "nine",
                                                                  "ten",  "eleven", "twelve"};
inline constexpr Index kMinBerths = 2;
inline constexpr Index kMaxBerths = 9;
inline constexpr Index kFirstYear = 1950;
inline constexpr Index kLastYear = 2019;

/// Slot name to value, the given slots only.
using Record = std::map<std::string, std::string, std::less<>>;

/// The prompt: the record's line and a newline, after which the completion starts.
std::string format_prompt(const Record& record);

/// Reads what format_prompt wrote. Throws Error citing `where` (file and line): an unknown or repeated slot,
/// no boat.
Record parse_prompt(std::string_view prompt, std::string_view where);

/// The given slots as one text, such as "boat kind berths": two records of one shape have the same.
std::string shape_of(const Record& record);

/// Words of a text with their punctuation cut off; "Wren's" gives "Wren".
std::vector<std::string> words_of(std::string_view text);

std::string lower_case(std::string_view text);

}  // namespace lorry::demo
