// cli/analyze/measurements.hpp: figures per module of one analysis, in a form that tables (figure_tables.hpp)
// and charts (profiles.hpp) share. Where a figure comes from is not known here.
#pragma once
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/median.hpp"
#include "model/module_place.hpp"
#include "report/line_chart.hpp"
#include "report/table.hpp"

namespace lorry::cli {

/// Shows a number with significant digits instead of a fixed number of decimals.
inline constexpr int kSignificant = -1;

/// A number of one module, or a median of such.
struct Figure {
  double value = std::numeric_limits<double>::quiet_NaN();   // NaN: none
  bool at_least = false;                                     // the value is a lower bound
  double spread = std::numeric_limits<double>::quiet_NaN();  // over random seeds; NaN: none
};

/// What each module has a figure of.
struct Measure {
  std::string key = {};          // of the figures, and in file names: "effective_rank"
  std::string title = {};        // of a column: "A top"
  std::string chart_title = {};  // where there is room: "φ(1,1) of A"; empty: the title
  int decimals = kSignificant;   // digits after the point
  bool whole = false;            // a count: a median between two of them is rounded up
  double low = std::numeric_limits<double>::quiet_NaN();  // ends of its axis in a chart; NaN: from the data
  double high = std::numeric_limits<double>::quiet_NaN();
  report::Scale scale = report::Scale::kLinear;
};

struct MeasuredModule {
  std::string module = {};
  std::vector<report::Cell> facts = {};  // shown before the figures, one per Measurements::facts
  std::map<std::string, Figure, std::less<>> figures = {};  // by Measure::key
  std::map<std::string, double, std::less<>> chance = {};   // what random directions give, likewise
  std::string note = {};                                    // why there is none; else empty
};

/// All modules of one adapter, or of one pair.
struct Measurements {
  std::string subject = {};                // "r8" or "r8 and r64"
  std::vector<report::Column> facts = {};  // "ranks"
  std::vector<Measure> measures = {};
  std::vector<std::pair<std::string, std::string>> terms = {};  // what the titles mean, a sentence each
  std::vector<MeasuredModule> modules = {};
};

/// Modules that are summarised together.
using ModuleGroup = std::vector<const MeasuredModule*>;

ModuleGroup all_of(const Measurements& measurements);
/// In the order in which types first come.
std::vector<std::pair<std::string, ModuleGroup>> by_type(const Measurements& measurements);
/// "q_proj" of "self_attn.q_proj", unless another type ends so too, as GPT-2's two c_proj do.
std::string short_type(const std::string& type,
                       const std::vector<std::pair<std::string, ModuleGroup>>& types);
/// Without modules outside the layers.
std::map<Index, ModuleGroup> by_layer(const Measurements& measurements);
/// Of each module type, the module in the middle of the model, as the paper shows layer 48 of 96. Modules
/// without figures do not count.
std::vector<std::string> middle_modules(const Measurements& measurements);
/// The same of several subjects: of a module type that an earlier one has, the earlier one's choice.
std::vector<std::string> middle_modules(const std::vector<Measurements>& all);

/// The measure of a key, which must exist.
const Measure& measure_of(const Measurements& measurements, std::string_view key);
/// The figure of a measure; none where the module has none.
Figure figure_of(const MeasuredModule& module, std::string_view key);

using lorry::median;  // of plain values; those below would hide it
/// Of the values that are numbers, a lower bound where one of those that decide it is; NaN where there is
/// none.
Figure median_figure(std::vector<Figure> figures);
Figure median(const ModuleGroup& group, std::string_view key);
/// As it is shown, in tables and in sentences.
Figure rounded(const Measure& measure, Figure figure);
Figure median(const Measurements& measurements, std::string_view key);
/// Of what chance gives.
double median_chance(const ModuleGroup& group, std::string_view key);
double median_chance(const Measurements& measurements, std::string_view key);

/// "0.83", "at least 0.83", or "no value".
std::string in_words(Figure figure, int decimals = 2);

}  // namespace lorry::cli
