// cli/analyze/measurements.hpp: figures per module of one analysis, in a form that tables (figure_tables.hpp)
// and charts (profiles.hpp) share. Where a figure comes from is not known here.
#pragma once
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/analyze/module_place.hpp"
#include "report/line_chart.hpp"
#include "report/table.hpp"

namespace lorry::cli {

/// Shows a number with significant digits instead of a fixed number of decimals.
inline constexpr int kSignificant = -1;

/// One figure that each module has.
struct Measure {
  std::string key = {};          // in file names: "effective_rank"
  std::string title = {};        // of a column: "A top"
  std::string chart_title = {};  // where there is room: "φ(1,1) of A"; empty: the title
  int decimals = kSignificant;   // digits after the point
  double low = std::numeric_limits<double>::quiet_NaN();  // ends of its axis in a chart; NaN: from the data
  double high = std::numeric_limits<double>::quiet_NaN();
  report::Scale scale = report::Scale::kLinear;
};

struct MeasuredModule {
  std::string module = {};
  std::vector<report::Cell> facts = {};  // shown before the figures, one per Measurements::facts
  std::vector<double> values = {};       // one per measure; NaN: none
  std::vector<double> chance = {};       // what random directions give, likewise; empty: none
  std::string note = {};                 // why there is none; else empty
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

/// NaN where there is none.
double value_of(const MeasuredModule& module, std::size_t measure);

/// Median of the values that are numbers; NaN where there is none.
double median(std::vector<double> values);
double median(const ModuleGroup& group, std::size_t measure);
double median(const Measurements& measurements, std::size_t measure);
/// Of what chance gives.
double median_chance(const ModuleGroup& group, std::size_t measure);
double median_chance(const Measurements& measurements, std::size_t measure);

/// "0.83", or "no value".
std::string in_words(double value, int decimals = 2);

}  // namespace lorry::cli
