#include "cli/lora_options.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "cli/shared_options.hpp"

namespace lorry::cli {

namespace {

/// A number as `bind` makes its binding; each key once.
template <class T, class Bind>
Binding bind_pattern(model::ModulePattern<T>& to, const char* letter, Bind bind) {
  T any{};
  const std::string number = bind(any).expected;
  const auto add = [&to, bind](const std::string& key, const std::string& text) {
    const bool known =
        std::any_of(to.begin(), to.end(), [&](const auto& entry) { return entry.first == key; });
    T value{};
    if (known || !bind(value).read(text)) return false;
    to.emplace_back(key, value);
    return true;
  };
  const auto pairs = [&to] {
    std::vector<std::pair<std::string, std::string>> texts;
    texts.reserve(to.size());
    for (const auto& [key, value] : to) texts.emplace_back(key, fmt::format("{}", value));
    return texts;
  };
  return bind_pairs(add, pairs, fmt::format("KEY={} with {}, each key once", letter, number));
}

/// Numbers of layers; -N alone is kept as that until the model is known.
Binding bind_layers(std::vector<Index>& to) {
  Binding binding = bind_integers(to, 0);
  binding.expected += ", -N for the last N, or all";
  const Binding last = bind_integers(to, std::numeric_limits<Index>::min() / 2);
  binding.read = [&to, numbers = binding.read, last = last.read](const std::string& text) {
    if (text == "all") {
      to.clear();
      return true;
    }
    const bool is_last = text.starts_with('-') && text.find(',') == std::string::npos;
    return is_last ? last(text) && to.front() < 0 : numbers(text);
  };
  return binding;
}

/// "embed_tokens=5,17", or "5,17" for the input embedding.
std::string indices_text(const model::TokenIndices& named) {
  const std::string ids = fmt::format("{}", fmt::join(named.ids, ","));
  return named.module.empty() ? ids : fmt::format("{}={}", named.module, ids);
}

}  // namespace

Binding bind_token_indices(std::vector<model::TokenIndices>& to) {
  const auto read = [&to](const std::string& text) {
    const std::size_t split = text.rfind('=');
    const std::string name = split == std::string::npos ? "" : text.substr(0, split);
    std::vector<Index> ids;
    if (split == 0 || !bind_integers(ids, 0).read(split == std::string::npos ? text : text.substr(split + 1)))
      return false;
    const auto same =
        std::find_if(to.begin(), to.end(), [&](const auto& before) { return before.module == name; });
    if (same != to.end()) {
      same->ids.insert(same->ids.end(), ids.begin(), ids.end());
      return true;
    }
    if (!to.empty() && (name.empty() || to.front().module.empty())) return false;
    to.push_back({name, std::move(ids)});
    return true;
  };
  const auto items = [&to] {
    std::vector<std::string> texts;
    if (to.size() == 1 && to.front().module.empty()) {  // a list of its own, as in PEFT
      texts.reserve(to.front().ids.size());
      for (const Index id : to.front().ids) texts.push_back(fmt::format("{}", id));
      return texts;
    }
    texts.reserve(to.size());
    for (const model::TokenIndices& named : to) texts.push_back(indices_text(named));
    return texts;
  };
  return {.read = read,
          .show =
              [&to] {
                std::string text;
                for (const model::TokenIndices& named : to) {
                  if (!text.empty()) text += ' ';
                  text += indices_text(named);
                }
                return text;
              },
          .expected = "token ids separated by commas, or NAME=IDS for each table",
          .items = items,
          .is_pairs = true};
}

Binding bind_new_tokens(std::vector<std::string>& to) {
  Binding binding = bind_texts(to);
  binding.read = [&to](const std::string& text) {
    const std::vector<std::string> tokens = model::split_names(text);
    const auto commas = std::count(text.begin(), text.end(), ',');
    if (tokens.empty() || std::ssize(tokens) != commas + 1) return false;  // no token is empty
    to.insert(to.end(), tokens.begin(), tokens.end());
    return true;
  };
  binding.expected = "tokens separated by commas";
  return binding;
}

std::string_view method_name(const model::PeftConfig& lora) {
  if (lora.use_dora) return lora.use_rslora ? "DoRA with rsLoRA's scale" : "DoRA";
  return lora.use_rslora ? "rsLoRA" : "LoRA";
}

void add_start_option(OptionTable& table, model::PeftConfig& lora) {
  table.add(
      "init-lora-weights", "NAME",
      {.read = [&lora](const std::string& text) { return model::parse_lora_init(text, lora); },
       .show = [&lora] { return model::format_lora_init(lora); },
       .expected = "one of true, false, gaussian, pissa, pissa_niter_N, olora"},
      "how A and B start: true (A at random, B zero), false (both at random), gaussian; pissa or olora: as a "
      "part of the weights, which these go without meanwhile (pissa_niter_16: pissa in less time)");
}

void add_selection_options(OptionTable& table, model::PeftConfig& lora) {
  model::ModuleFilter& filter = lora.filter;
  Binding excluded = bind_targets(filter.exclude_modules);
  excluded.expected = "module names or a regular expression";
  table.add("exclude-modules", "NAMES", std::move(excluded),
            "layers left out though --target-modules matches them: names or an expression, as there");
  table.add("layers-to-transform", "NUMBERS", bind_layers(filter.layers_to_transform),
            "adapt these layers of the model alone, counted from 0: 0,1,2; -N: the last N; all");
  table
      .add("layers-pattern", "WORD", bind_texts(filter.layers_pattern),
           "the word (an expression) before the numbers that --layers-to-transform counts; may be repeated")
      .repeated = true;
  const auto rank = [](Index& to) { return bind_integer(to, 1); };
  table
      .add("rank-pattern", "KEY=N", bind_pattern(lora.rank_pattern, "N", rank),
           "another rank for layers whose name ends in KEY, an expression; the first that matches counts")
      .repeated = true;
  const auto alpha = [](double& to) {
    return bind_number(to, {.low = model::kLeastFreshAlpha, .high = model::kMostFreshAlpha});
  };
  table.add("alpha-pattern", "KEY=X", bind_pattern(lora.alpha_pattern, "X", alpha), "the same of alpha")
      .repeated = true;
}

}  // namespace lorry::cli
