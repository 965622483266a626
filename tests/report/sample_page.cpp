#include "report/sample_page.hpp"

#include <cmath>

#include "report/nan.hpp"
#include "report/number.hpp"
#include "report/page.hpp"

namespace lorry::report {

namespace {

// Something that looks like noise between 0 and 1 and is always the same.
double noise(int i) {
  return std::fmod(std::abs(std::sin(12.9898 * (i + 1)) * 43758.5453), 1.0);
}

HeatMap square_map(const char* title, double strength) {
  HeatMap map{title, "j", "i", 64, 64, {}, 0.0, 1.0, {}, {}, false};
  for (int i = 0; i < 64; ++i) {
    for (int j = 0; j < 64; ++j) {
      const double edge = std::max(i, j) + 1.0;
      map.values.push_back(std::min(1.0, edge / 128 + strength / std::sqrt(edge) + 0.02 * noise(64 * i + j)));
    }
  }
  return map;
}

LineChart layer_profile() {
  LineChart chart{"Similarity of the top direction, layer by layer", {"layer"}, {"φ(1, 1)"}, {}};
  chart.y.low = 0.0;
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
    Series series{name, {}, {}, {}};
    const int seed = static_cast<int>(chart.series.size());
    for (int layer = 0; layer < 22; ++layer) {
      series.x.push_back(layer);
      series.y.push_back(seed == 2 && layer == 9 ? kNan : 0.3 + 0.1 * seed + 0.2 * noise(layer + 100 * seed));
    }
    chart.series.push_back(series);
  }
  return chart;
}

LineChart spectrum() {
  LineChart chart{"Singular values of ΔW, layers.0.self_attn.q_proj", {"index i"}, {"σᵢ", Scale::kLog}, {}};
  for (const int rank : {8, 64}) {
    Series series{"r = " + std::to_string(rank), {}, {}, {}};
    for (int i = 1; i <= rank; ++i) {
      series.x.push_back(i);
      series.y.push_back(4.0 * std::exp(-0.21 * i) + 1e-6 * (1 + noise(i)));
    }
    chart.series.push_back(series);
  }
  return chart;
}

LineChart training_curves() {
  LineChart chart{"Validation loss", {"step"}, {"loss [nats per token]"}, {}};
  for (const char* name : {"LoRA, r = 8 (mean and spread over 3 seeds)", "full fine-tuning"}) {
    Series series{name, {}, {}, {}, true};
    const double shift = chart.series.empty() ? 0.0 : 0.15;
    for (int step = 0; step < 4000; ++step) {
      series.x.push_back(step);
      series.y.push_back(1.2 + shift + 2.0 / (1 + step / 120.0) + 0.05 * noise(step));
      series.spread.push_back(0.06);
    }
    chart.series.push_back(series);
  }
  return chart;
}

LineChart ranks() {
  LineChart chart{"Score by rank", {"rank r", Scale::kLog}, {"BLEU"}, {}};
  chart.x.ticks = {1, 2, 4, 8, 64};
  chart.series = {{"W_q", {1, 2, 4, 8, 64}, {68.8, 69.6, 70.5, 70.4, 70.0}, {0.5, 0.4, 0.5, 0.3, 0.4}},
                  {"W_q, W_v", {1, 2, 4, 8, 64}, {73.4, 73.3, 73.7, 73.8, 73.5}, {0.3, 0.5, 0.2, 0.3, 0.4}},
                  {"all four", {1, 2, 4, 8, 64}, {74.1, 73.7, 74.0, 74.0, 73.9}, {0.2, 0.2, 0.4, kNan, 0.2}}};
  return chart;
}

BarChart weights() {
  return {"Which weights, at an equal budget",
          "adapted weights",
          {"accuracy [%]", Scale::kLinear, 60.0},
          {"W_q", "W_k", "W_v", "W_o", "W_q, W_k", "W_q, W_v", "all four"},
          {{"WikiSQL", {70.4, 70.0, 73.0, 73.2, 71.4, 73.7, 73.7}, {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}},
           {"MultiNLI", {91.0, 90.8, 91.0, 91.3, 91.3, 91.3, 91.7}, {0.1, 0.1, 0.1, 0.1, kNan, 0.1, 0.1}},
           {"a third task", {80.2, 79.1, 85.0, kNan, 82.5, 84.0, 86.3}, {}}}};
}

Table summary() {
  Table table({{"module"}, {"rank", true}, {"‖ΔW‖", true}, {"effective rank", true}, {"φ(1, 1)", true}},
              "Per module");
  for (int layer = 0; layer < 6; ++layer) {
    for (const char* name : {"self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"}) {
      const int seed = 10 * layer + static_cast<int>(name[5]);
      table.add_row({"layers." + std::to_string(layer) + "." + name, 8, 3.0 * noise(seed),
                     1 + 7 * noise(seed + 1), layer == 3 ? kNan : noise(seed + 2)});
    }
  }
  table.add_row({kHostileName, 4, Cell(format_spread(0.512, 0.0139), 0.512), 1e-7, 12345678.0});
  return table;
}

// As wide as those of sweeps with a learning rate of each row.
Table sweep_results() {
  Table table({{"row"},
               {"rank", true},
               {"alpha", true},
               {"lr", true},
               {"parameters", true},
               {"held-out loss", true},
               {"perplexity", true},
               {"seeds", true},
               {"diverged", true},
               {"seconds", true},
               {"tokens/s", true}});
  table.add_row({"all linear r=8 lr=0.002", 8, 8, Cell("0.002", 0.002), 245760,
                 Cell("0.8003 ± 0.0107 *", 0.8003), Cell("2.23 ± 0.02", 2.23), 3, 0, Cell("16.7", 16.7),
                 6310});
  return table;
}

HeatMap named_map() {
  HeatMap map{"Amplification by module and layer", "layer", "", 7, 12, {}, 0.0, 25.0, {}, {}, false};
  map.y_ticks = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
  for (int layer = 0; layer < 12; ++layer) map.x_ticks.push_back(std::to_string(layer));
  for (int i = 0; i < 84; ++i) map.values.push_back(i % 13 == 5 ? kNan : 25 * noise(i));
  return map;
}

Content module_grids(const std::string& name) {
  HeatMap triangle = similarity_map();
  triangle.title = "lower-left triangle";
  triangle.lower_left_triangle_only = true;
  HeatMap whole = similarity_map();
  whole.title = "φ of A, " + name;
  Content content;
  content.charts({to_svg(whole), to_svg(triangle), to_svg(square_map("two seeds, r = 64", 0.4)),
                  to_svg(square_map("Gaussian control", 0.0))},
                 "Row i, column j: overlap of the top i directions of one with the top j of the other.");
  return content;
}

}  // namespace

HeatMap similarity_map() {
  HeatMap map{"φ(A₈, A₆₄, i, j)", "j (r = 64)", "i (r = 8)", 8, 64, {}, 0.0, 1.0, {}, {}, false};
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 64; ++j)
      map.values.push_back(i == 2 && j == 5 ? kNan : 1.0 / (1.0 + std::abs(i - j) / 4.0));
  }
  return map;
}

std::vector<std::string> sample_charts() {
  HeatMap upright = named_map();
  upright.title = "Long names of columns";
  for (std::string& name : upright.x_ticks) name = "model.layers." + name + ".mlp";
  LineChart wide{
      "Wide numbers", {"x"}, {"counts", Scale::kLinear}, {{"", {-3e9, 5e8, 7e9}, {-2.5e-7, 4e-7, 9e-7}, {}}}};
  LineChart tall{"Many decades",
                 {"x", Scale::kLog},
                 {"y", Scale::kLog},
                 {{"s", {1e-12, 1, 1e12}, {1e-200, 1, 1e200}, {}}}};
  LineChart many{"Sixteen series", {"x"}, {"y"}, {}};
  for (int s = 0; s < 16; ++s) {
    many.series.push_back(
        {"series number " + std::to_string(s), {0, 1, 2, 3}, {s + 0.0, s + 0.7, s + 0.2, s + 1.0}, {}});
  }
  BarChart names = weights();
  names.title = kHostileName;
  for (std::string& group : names.groups) group = "configuration with " + group;
  return {to_svg(layer_profile()),
          to_svg(spectrum()),
          to_svg(training_curves()),
          to_svg(ranks()),
          to_svg(weights()),
          to_svg(named_map()),
          to_svg(upright),
          to_svg(wide),
          to_svg(tall),
          to_svg(many),
          to_svg(names),
          to_svg(LineChart{"Nothing", {"x"}, {"y"}, {}}),
          to_svg(BarChart{"No bars", "", {"y"}, {}, {}}),
          to_svg(HeatMap{"One cell", "j", "i", 1, 1, {0.5}, 0, 1, {}, {}, false}),
          to_svg(HeatMap{"No cells", "j", "i", 0, 0, {}, 0, 1, {}, {}, false})};
}

std::string sample_page() {
  Page page("Subspaces of two adapters: demo-r8 and demo-r64");
  Content& top = page.section("Summary");
  top.paragraph(
      "Per module, how much of the directions of one adapter the other has found as well. A value of 1 means "
      "that one subspace contains the other, 0 that they are orthogonal.");
  top.table(summary());
  top.table(sweep_results());
  Content& charts = page.section("Charts");
  for (const std::string& svg : sample_charts())
    charts.chart(svg, "A caption below the chart says what it shows.");
  Content& grids = page.section("Grids per module");
  grids.charts({to_svg(similarity_map()), to_svg(square_map("two seeds, r = 64", 0.4))}, "");
  for (int layer = 0; layer < 3; ++layer) {
    const std::string name = "layers." + std::to_string(layer) + ".self_attn.q_proj";
    grids.details(name, module_grids(name));
  }
  grids.details(kHostileName, module_grids(kHostileName));
  Content& made = page.section("How this was made");
  made.facts(
      {{"command", "lorry analyze similarity runs/demo-r8/adapter runs/demo-r64/adapter --html report.html"},
       {"adapter 1", kHostileName},
       {std::string(150, 'n'), "the name of a folder, wider than the page"},
       {"seed", "7"},
       {"version", "0.1.0"}});
  return page.to_html();
}

}  // namespace lorry::report
