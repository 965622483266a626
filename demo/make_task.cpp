// demo/make_task.cpp: writes the data-to-text task, train.jsonl, valid.jsonl and test.jsonl of
// {"prompt","completion"}. A fifth of the held-out records carry names that the training file has nowhere;
// the others recombine names, values and (one in four) sets of slots into records that it does not have.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/rng.hpp"
#include "grammar.hpp"
#include "io/atomic_file.hpp"
#include "names.hpp"
#include "realise.hpp"
#include "record.hpp"

namespace lorry::demo {

namespace {

struct Options {
  std::string out = LORRY_DEMO_DIR "/data";
  Index train = 4800;
  Index valid = 200;
  Index test = 500;
  std::uint64_t seed = 7;
};

constexpr Index kBoats = 3000;      // distinct names that training draws from
constexpr Index kHarbours = 2500;   // likewise
constexpr Index kSkippers = 3000;   // likewise
constexpr Index kFreshNames = 400;  // of each slot, for the held-out fifth

using Pool = std::map<std::string, std::vector<std::string>, std::less<>>;  // open slot to names

/// Words that a name may not hold, or the scorer could take it for a value of another slot.
bool is_plain_name(const std::string& name) {
  for (const std::string& word : words_of(name)) {
    const std::string low = lower_case(word);
    const auto is = [&](const auto& list) { return std::find(list.begin(), list.end(), low) != list.end(); };
    if (is(kKinds) || is(kHulls) || is(kNumberWords)) return false;
  }
  return true;
}

std::string draw_name(std::string_view slot, Rng& rng) {
  if (slot == "boat") return make_boat(rng);
  return slot == "harbour" ? make_town(rng) : make_person(rng).at("full");
}

/// Distinct names for every open slot, none of them in `taken`.
Pool make_pool(Index boats, Index harbours, Index skippers, const std::set<std::string>& taken, Rng& rng) {
  Pool pool;
  for (const std::string_view slot : kOpenSlots) {
    const Index wanted = slot == "boat" ? boats : slot == "harbour" ? harbours : skippers;
    std::set<std::string> names;
    std::vector<std::string>& list = pool[std::string(slot)];
    while (static_cast<Index>(list.size()) < wanted) {
      const std::string name = draw_name(slot, rng);
      if (!is_plain_name(name) || taken.contains(name) || !names.insert(name).second) continue;
      list.push_back(name);
    }
  }
  return pool;
}

template <class List>
std::string pick(const List& list, Rng& rng) {
  return std::string(list[static_cast<std::size_t>(rng.next_below(static_cast<Index>(list.size())))]);
}

std::string draw_value(std::string_view slot, const Pool& pool, Rng& rng) {
  if (slot == "kind") return pick(kKinds, rng);
  if (slot == "hull") return pick(kHulls, rng);
  if (slot == "berths") return std::to_string(kMinBerths + rng.next_below(kMaxBerths - kMinBerths + 1));
  if (slot == "built") return std::to_string(kFirstYear + rng.next_below(kLastYear - kFirstYear + 1));
  if (slot == "engine") return rng.next_below(2) == 0 ? "yes" : "no";
  return pick(pool.find(slot)->second, rng);
}

/// Names of one record that share a word would blur which slot a text realises.
bool names_overlap(const Record& record) {
  std::set<std::string> words;
  for (const std::string_view slot : kOpenSlots) {
    const auto found = record.find(slot);
    if (found == record.end()) continue;
    for (const std::string& word : words_of(found->second)) {
      if (!words.insert(word).second) return true;
    }
  }
  return false;
}

/// A record of 3 to 7 slots.
Record draw_record(const Pool& pool, Rng& rng) {
  for (;;) {
    std::vector<std::string_view> slots(kSlots.begin() + 1, kSlots.end());
    const Index wanted = 2 + rng.next_below(5);
    while (static_cast<Index>(slots.size()) > wanted) {
      slots.erase(slots.begin() + rng.next_below(static_cast<Index>(slots.size())));
    }
    Record record = {{"boat", draw_value("boat", pool, rng)}};
    for (const std::string_view slot : slots) record[std::string(slot)] = draw_value(slot, pool, rng);
    if (!names_overlap(record)) return record;
  }
}

/// One shape in ten is kept from training, by a hash of its text that no library version changes.
bool is_held_out_shape(const Record& record) {
  std::uint64_t hash = 1469598103934665603U;
  for (const char c : shape_of(record)) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash % 10 == 3;
}

class Writer {
 public:
  explicit Writer(const Options& options)
      : options_(options), rng_(options.seed), grammar_(Grammar::load(LORRY_DEMO_DIR "/task")) {}

  void write_all() {
    const Pool train_pool = make_pool(kBoats, kHarbours, kSkippers, {}, rng_);
    write("train", options_.train, [&](Index) {
      for (;;) {
        const Record record = draw_record(train_pool, rng_);
        if (!is_held_out_shape(record)) return record;
      }
    });
    // Only names that training did use count as seen, only names no training file ever could as unseen.
    const Pool seen = used_;
    std::set<std::string> taken;
    for (const auto& [slot, names] : train_pool) taken.insert(names.begin(), names.end());
    const Pool fresh = make_pool(kFreshNames, kFreshNames, kFreshNames, taken, rng_);
    const auto held_out = [&](Index k) {
      for (;;) {
        const Record record = draw_record(k % 5 == 4 ? fresh : seen, rng_);
        const bool wants_new_shape = k % 4 == 0;
        if (wants_new_shape == is_held_out_shape(record)) return record;
      }
    };
    write("valid", options_.valid, held_out);
    write("test", options_.test, held_out);
  }

 private:
  template <class Draw>
  void write(const std::string& name, Index count, const Draw& draw) {
    const std::string path = options_.out + "/" + name + ".jsonl";
    io::AtomicFile out(path);
    for (Index k = 0; k < count;) {
      const Record record = draw(k);
      const std::string prompt = format_prompt(record);
      if (!prompts_.insert(prompt).second) continue;
      const nlohmann::ordered_json line = {{"prompt", prompt},
                                           {"completion", realise(grammar_, record, rng_)}};
      out.write(line.dump() + "\n");
      if (name == "train") remember(record);
      ++k;
    }
    out.commit();
    fmt::print("{}: {} examples\n", path, count);
  }

  void remember(const Record& record) {
    for (const std::string_view slot : kOpenSlots) {
      if (record.contains(slot)) used_[std::string(slot)].push_back(record.find(slot)->second);
    }
  }

  Options options_;
  Rng rng_;
  Grammar grammar_;
  Pool used_;                      // names of the training file, as often as it has them
  std::set<std::string> prompts_;  // every prompt so far: no two files share one
};

}  // namespace

}  // namespace lorry::demo

int main(int argc, char** argv) {
  lorry::demo::Options options;
  CLI::App app("Writes the data-to-text task: train.jsonl, valid.jsonl, test.jsonl");
  app.add_option("--out", options.out, "Folder to write to [demo/data]");
  app.add_option("--train", options.train, "Training examples [4800]")->check(CLI::PositiveNumber);
  app.add_option("--valid", options.valid, "Validation examples [200]")->check(CLI::PositiveNumber);
  app.add_option("--test", options.test, "Held-out examples [500]")->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed, "Seed of every draw [7]");
  CLI11_PARSE(app, argc, argv);
  try {
    lorry::demo::Writer(options).write_all();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
