// demo/scoring.hpp: exact scoring of a generated text against its record: every slot realised, nothing
// invented. Both are decided by word patterns alone, so that a score can be checked by hand.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "record.hpp"

namespace lorry::demo {

/// What one text got right. Fully right: nothing missing and nothing invented.
struct Verdict {
  std::vector<std::string> missing;   // given slots that the text does not realise, or "full stop"
  std::vector<std::string> invented;  // what it says beyond the record, such as `hull "red"` or `name "Tarn"`

  [[nodiscard]] bool right() const { return missing.empty() && invented.empty(); }
};

/// Judges one text. A slot is realised when its value stands in a form that the task uses for that slot:
/// - boat, harbour, skipper: the exact name, the harbour behind a preposition of place, the others not;
/// - kind, hull: the word; berths: the number, as digits or word, behind "sleeps" or "for" or before "berths"
///   or "people"; built: the four digits behind "in" or "from" or "is"; engine: "engine", "engines" or
///   "motor", denied exactly when the value is no.
/// Invented is: a kind, colour, number or year not given; a word of a slot that is not given ("engine",
/// "skipper", "harbour", "berths", "built"); a denial of anything but an engine; a capitalised word that is
/// neither in a given name nor opens a sentence as the task's own words do; a name in the place of another;
/// any word that the task's phrasings do not use; one of the marks =|{}[]<>_.
Verdict judge(const Record& record, std::string_view text);

/// Sums over one group of records.
struct Tally {
  Index records = 0;
  Index right = 0;
  Index invented = 0;  // records with anything invented
};

struct SlotTally {
  Index given = 0;
  Index realised = 0;
};

/// A run's figures; groups are "all", "seen names", "unseen names", "mixed names", "seen slot
/// sets", "unseen slot sets".
struct Score {
  std::map<std::string, Tally> groups;
  std::map<std::string, SlotTally> slots;
};

/// What the training file holds, to tell seen from unseen.
struct Seen {
  std::map<std::string, bool, std::less<>> names;   // every value of an open slot
  std::map<std::string, bool, std::less<>> shapes;  // every set of slots

  void add(const Record& record);
};

/// Adds one judged record to `score`. A record counts as "unseen names" when the training file has none of
/// its names, as "seen names" when it has all.
void tally(Score& score, const Record& record, const Verdict& verdict, const Seen& seen);

}  // namespace lorry::demo
