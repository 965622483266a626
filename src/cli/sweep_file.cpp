#include "cli/sweep_file.hpp"

#include <algorithm>
#include <array>

#include "cli/config_file.hpp"
#include "cli/suggestion.hpp"
#include "cli/train_options.hpp"
#include "cli/yaml_text.hpp"
#include "core/option_error.hpp"
#include "io/message_text.hpp"

namespace lorry::cli {

namespace {

constexpr Index kMostRows = 10'000;
/// Groups of the table whose options a cell may have of its own.
constexpr std::array<std::string_view, 5> kCellGroups = {"Method", kLoraGroup, kOptimizerGroup,
                                                         "Batches and duration", "Computing"};
constexpr std::array<std::string_view, 4> kOfAllCells = {"dtype", "compute", "threads", "max-seq-length"};

/// One value of one option.
struct Setting {
  Option* option = nullptr;
  std::string text;
  std::string name;   // for people, of a set of targets; empty: none
  std::string where;  // what messages begin with
};

using Axis = std::vector<Setting>;

bool varies(const Option& option) {
  const auto is_in = [](const auto& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  };
  return is_in(kCellGroups, option.group) && !is_in(kOfAllCells, option.name) && !option.repeated;
}

/// Reads one sweep file; the parts of it in the order of the functions.
class SweepReader {
 public:
  SweepReader(const std::filesystem::path& file, OptionTable& table, train::TrainOptions& options)
      : file_(file), table_(table), options_(options) {}

  sweep::Request read();

 private:
  Option& find(const std::string& key, const std::string& section, const std::string& where);
  [[nodiscard]] bool overruled(const Option& option) const;
  void check_effects() const;
  void read_grid(const YAML::Node& grid, const std::string& where);
  Axis read_axis(Option& option, const YAML::Node& values, const std::string& where);
  void add_value(Axis& axis, Option& option, const YAML::Node& value, const std::string& name,
                 const std::string& where) const;
  void read_budget(const YAML::Node& budget, const std::string& where);
  void read_row(const YAML::Node& row);
  void expand_grid();
  void add_row(const std::vector<Setting>& settings, std::string name, bool own);
  void apply(const Setting& setting, bool own, sweep::RowRequest& row);

  const std::filesystem::path& file_;
  OptionTable& table_;
  train::TrainOptions& options_;
  train::TrainOptions shared_;  // options_ as every row starts from
  YAML::Node grid_, rows_, budget_;
  std::string grid_where_, rows_where_, budget_where_;
  std::vector<Axis> axes_;
  sweep::Request request_;
};

/// An option that rows may have of their own.
Option& SweepReader::find(const std::string& key, const std::string& section, const std::string& where) {
  Option* option = table_.find(key);
  if (option != nullptr && varies(*option)) return *option;
  if (option != nullptr) {
    throw OptionError("{}: {}: found {}; expected it outside, since all cells share it", where, section,
                      io::in_quotes(key));
  }
  std::vector<std::string_view> names;
  for (const Option& known : table_.options()) {
    if (varies(known)) names.push_back(known.name);
  }
  if (section == "rows") names.push_back("name");
  throw OptionError("{}: {}: unknown key {}{}", where, section, io::in_quotes(key),
                    suggest_option(key, names));
}

/// Whether a flag holds for every row instead of what the file says. Of steps and epochs only one counts, so
/// a flag for either overrules both.
bool SweepReader::overruled(const Option& option) const {
  if (option.source == Source::kFlag) return true;
  const bool duration = option.name == "steps" || option.name == "epochs";
  return duration && (table_.source("steps") == Source::kFlag || table_.source("epochs") == Source::kFlag);
}

/// What no row takes up would be ignored.
void SweepReader::check_effects() const {
  const bool any_lora =
      std::any_of(request_.rows.begin(), request_.rows.end(),
                  [](const sweep::RowRequest& row) { return row.options.method == train::Method::kLora; });
  if (any_lora) return;
  if (request_.budget) {
    throw OptionError("{}: budget: has no effect where every row has method full; expected it without",
                      budget_where_);
  }
  for (const Option& option : table_.options()) {
    if (option.group != kLoraGroup || option.source == Source::kDefault) continue;
    throw OptionError("[sweep] --{}: has no effect where every row has method full; expected it without",
                      option.name);
  }
}

/// Of steps and epochs one decides, so a row cannot have both.
void check_duration(const std::string& section, bool steps, bool epochs, const std::string& where) {
  if (!steps || !epochs) return;
  throw OptionError("{}: {}: found both steps and epochs; expected one of them", where, section);
}

void SweepReader::add_value(Axis& axis, Option& option, const YAML::Node& value, const std::string& name,
                            const std::string& where) const {
  const std::string text = yaml_text(value, option.binding.expected, where);
  const train::TrainOptions before = options_;
  const bool good = option.binding.read(text);
  options_ = before;
  if (!good)
    throw OptionError("{}: found {}; expected {}", where, io::in_quotes(text), option.binding.expected);
  axis.push_back({&option, text, name, where});
}

Axis SweepReader::read_axis(Option& option, const YAML::Node& values, const std::string& where) {
  Axis axis;
  if (values.IsMap() && option.name == "target-modules") {
    for_each_key(file_, values, [&](const std::string& name, const YAML::Node& value, const std::string& at) {
      add_value(axis, option, value, name, at);
    });
  } else if (values.IsSequence()) {
    for (const YAML::Node& value : values) add_value(axis, option, value, "", where);
  } else {
    throw OptionError("{}: found no list; expected the values to try, such as [1, 2]", where);
  }
  if (axis.empty()) throw OptionError("{}: found an empty list; expected the values to try", where);
  return axis;
}

void SweepReader::read_grid(const YAML::Node& grid, const std::string& where) {
  if (grid.IsNull() || !grid.IsDefined()) return;
  if (!grid.IsMap())
    throw OptionError("{}: grid: found no mapping; expected lists such as `rank: [1, 2]`", where);
  bool steps = false;
  bool epochs = false;
  for_each_key(file_, grid, [&](const std::string& key, const YAML::Node& values, const std::string& at) {
    Option& option = find(key, "grid", at);
    const std::string field = fmt::format("{}: grid: {}", at, key);
    if (option.name == "method") {
      throw OptionError("{}: found in the grid; expected under rows, since full fine-tuning has no rank",
                        field);
    }
    if (option.source == Source::kConfig) {
      throw OptionError("{}: found beside {} outside the grid; expected one of them", field, key);
    }
    const Axis axis = read_axis(option, values, field);
    steps = steps || option.name == "steps";
    epochs = epochs || option.name == "epochs";
    check_duration("grid", steps, epochs, at);
    if (overruled(option)) return;
    if (option.name != "seed") {
      axes_.push_back(axis);
      return;
    }
    request_.seeds.clear();
    for (const Setting& setting : axis) {
      option.binding.read(setting.text);
      request_.seeds.push_back(options_.seed);
    }
    options_ = shared_;
  });
}

void SweepReader::read_budget(const YAML::Node& budget, const std::string& where) {
  if (budget.IsNull() || !budget.IsDefined()) return;
  sweep::Budget wanted;
  Index rank = 0;
  const auto read = [](const Binding& binding, const YAML::Node& value, const std::string& field) {
    const std::string text = yaml_text(value, binding.expected, field);
    if (!binding.read(text)) {
      throw OptionError("{}: found {}; expected {}", field, io::in_quotes(text), binding.expected);
    }
  };
  if (!budget.IsMap()) {
    wanted.parameters = 1;
    read(bind_integer(*wanted.parameters, 1), budget, where + ": budget");
  } else {
    for_each_key(file_, budget, [&](const std::string& key, const YAML::Node& value, const std::string& at) {
      const std::string field = fmt::format("{}: budget: {}", at, key);
      if (key == "rank") {
        read(bind_integer(rank, 1), value, field);
      } else if (key == "target_modules" || key == "target-modules") {
        wanted.target_modules = model::parse_target_modules(
            yaml_text(value, "all-linear, module names or a regular expression", field));
      } else {
        throw OptionError("{}: budget: unknown key {}{}", at, io::in_quotes(key),
                          suggest_option(key, std::vector<std::string_view>{"rank", "target-modules"}));
      }
    });
    if (rank == 0 || wanted.target_modules == model::TargetModules()) {
      throw OptionError(
          "{}: budget: found a mapping; expected both rank and target_modules in it, or a number of "
          "parameters",
          where);
    }
    wanted.rank = rank;
  }
  request_.budget = wanted;
}

void SweepReader::read_row(const YAML::Node& row) {
  const std::string where = yaml_place(file_, row);
  if (!row.IsMap()) {
    throw OptionError("{}: rows: found no mapping; expected options such as {{method: full, lr: 1e-4}}",
                      where);
  }
  std::vector<Setting> settings;
  std::string name;
  for_each_key(file_, row, [&](const std::string& key, const YAML::Node& value, const std::string& at) {
    const std::string field = fmt::format("{}: rows: {}", at, key);
    if (key == "name") {
      name = yaml_text(value, "text", field);
      return;
    }
    Option& option = find(key, "rows", at);
    if (option.name == "seed")
      throw OptionError("{}: found in a row; expected in the grid, for all rows", field);
    add_value(settings, option, value, "", field);
  });
  const auto has = [&](std::string_view wanted) {
    return std::any_of(settings.begin(), settings.end(),
                       [&](const Setting& setting) { return setting.option->name == wanted; });
  };
  check_duration("rows", has("steps"), has("epochs"), where);
  std::erase_if(settings, [&](const Setting& setting) { return overruled(*setting.option); });
  // The method decides what else the row may have.
  std::stable_partition(settings.begin(), settings.end(),
                        [](const Setting& setting) { return setting.option->name == "method"; });
  add_row(settings, std::move(name), true);
}

void SweepReader::apply(const Setting& setting, bool own, sweep::RowRequest& row) {
  Option& option = *setting.option;
  if (options_.method == train::Method::kFull && option.group == kLoraGroup) {
    throw OptionError("{}: has no effect with method full; expected it without", setting.where);
  }
  option.binding.read(setting.text);  // checked when it was read
  if (option.name == "rank") {
    row.rank = options_.lora.r;
  } else if (option.name == "alpha") {
    (own ? row.exact_alpha : row.alpha) = options_.lora.lora_alpha;
  } else if (option.name == "target-modules") {
    row.targets_name = setting.name;
  } else if (option.name != "lr" && option.name != "method") {
    row.varied.emplace_back(option.name, setting.text);
  }
  if (option.name == "epochs") options_.steps.reset();
}

/// `own`: the settings are a row's, not the grid's.
void SweepReader::add_row(const std::vector<Setting>& settings, std::string name, bool own) {
  sweep::RowRequest row;
  row.name = std::move(name);
  if (table_.source("rank") != Source::kDefault) row.rank = shared_.lora.r;
  if (table_.source("alpha") != Source::kDefault) row.alpha = shared_.lora.lora_alpha;
  for (const Setting& setting : settings) apply(setting, own, row);
  row.options = options_;
  options_ = shared_;
  request_.rows.push_back(std::move(row));
}

/// Every combination, the last axis fastest.
void SweepReader::expand_grid() {
  Index count = 1;
  for (const Axis& axis : axes_) {
    count *= std::ssize(axis);
    if (count > kMostRows) {
      throw OptionError("{}: grid: found more than {} combinations; expected fewer", grid_where_, kMostRows);
    }
  }
  for (Index i = 0; i < count; ++i) {
    std::vector<Setting> settings;
    Index rest = i;
    for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis) {
      settings.push_back((*axis)[static_cast<std::size_t>(rest % std::ssize(*axis))]);
      rest /= std::ssize(*axis);
    }
    std::reverse(settings.begin(), settings.end());
    add_row(settings, "", false);
  }
}

sweep::Request SweepReader::read() {
  const auto keep = [](YAML::Node& node, std::string& place) {
    return [&node, &place](const YAML::Node& value, const std::string& where) {
      node.reset(value);
      place = where;
    };
  };
  read_config(file_, table_,
              {{"grid", keep(grid_, grid_where_)},
               {"rows", keep(rows_, rows_where_)},
               {"budget", keep(budget_, budget_where_)}});
  choose_duration(table_, options_);
  shared_ = options_;
  request_.seeds = {options_.seed};
  read_budget(budget_, budget_where_);
  read_grid(grid_, grid_where_);
  const bool has_rows = rows_.IsDefined() && !rows_.IsNull();
  if (has_rows && !rows_.IsSequence()) {
    throw OptionError("{}: rows: found no list; expected lines such as `- {{method: full, lr: 1e-4}}`",
                      rows_where_);
  }
  if (!axes_.empty() || !has_rows) expand_grid();
  if (has_rows) {
    for (const YAML::Node& row : rows_) read_row(row);
  }
  if (request_.rows.empty()) throw OptionError("{}: rows: found an empty list; expected rows", rows_where_);
  check_effects();
  return std::move(request_);
}

}  // namespace

sweep::Request read_sweep(const std::filesystem::path& file, OptionTable& table,
                          train::TrainOptions& options) {
  return SweepReader(file, table, options).read();
}

}  // namespace lorry::cli
