#include <fmt/format.h>

#include "report/color.hpp"
#include "report/page_parts.hpp"

namespace lorry::report {

namespace {

// Colours are variables, which change together; a chart's own attributes yield to these rules.
constexpr std::string_view kLight =
    "--paper:#fff;--ink:#1c2126;--quiet:#59626b;--axis:#6b747d;--grid:#dfe3e7;--panel:#f4f6f8;--link:#0b5cad;"
    "--none:#d4d8dc;--hatch:#9aa2aa;";
constexpr std::string_view kDark =
    "--paper:#14181c;--ink:#e4e8ec;--quiet:#a3adb7;--axis:#87919b;--grid:#2c343c;--panel:#1d2329;--link:#"
    "6cb2ff;"
    "--none:#4a525a;--hatch:#939da7;";

// A table that is wider than the page has a shadow at its right edge, until it is scrolled there: scroll bars
// hide on some systems. In print tables must fit, or browsers shrink the whole page: titles wrap, and names
// where Table::to_html lets them. Charts are as small as puts two line charts or three heat maps beside each
// other on A4.
constexpr std::string_view kRules = R"(*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:74rem;margin:0 auto;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.65rem;line-height:1.25;margin:0 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;line-height:1.3;margin:2.5rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--grid);overflow-wrap:anywhere}
p{max-width:46rem;margin:.5rem 0;overflow-wrap:anywhere}
a{color:var(--link)}
nav ol{margin:0 0 1rem;padding-left:1.4rem;columns:18rem;max-width:60rem}
nav li{overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:fit-content(40%) minmax(0,1fr);gap:.15rem 1.25rem;margin:.75rem 0;padding:.75rem 1rem;background:var(--panel);border-radius:6px;max-width:60rem}
dl div{display:contents}
dt{color:var(--quiet);overflow-wrap:anywhere}
dd{margin:0;font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.87rem;line-height:1.7;overflow-wrap:anywhere}
.terms dd{font:inherit;font-size:.93rem}
.terms dt{color:inherit}
.scroll{overflow-x:auto;margin:.75rem 0 1.25rem;background:linear-gradient(to left,var(--paper) 60%,transparent) right/2.5rem 100% no-repeat local,linear-gradient(to left,var(--none),transparent) right/.9rem calc(100% - 2px) no-repeat}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:0 0 .4rem}
th,td{padding:.28rem .5rem .28rem 0;text-align:left;vertical-align:top}
th+th,td+td{padding-left:.5rem}
th{border-bottom:1.5px solid var(--axis);font-weight:600;white-space:nowrap}
td{border-bottom:1px solid var(--grid)}
td:not(.n){overflow-wrap:anywhere;min-width:10rem}
.n{text-align:right;white-space:nowrap}
th button{font:inherit;color:inherit;background:none;border:0;padding:0;margin:0;cursor:pointer}
th button::after{content:"\2195";display:inline-block;width:.9em;text-align:right;color:var(--quiet);font-weight:400}
th[aria-sort=ascending] button::after{content:"\2191";color:var(--ink)}
th[aria-sort=descending] button::after{content:"\2193";color:var(--ink)}
figure{margin:1rem 0 1.5rem}
figcaption{color:var(--quiet);font-size:.9rem;max-width:46rem;margin-top:.4rem;overflow-wrap:anywhere}
.charts{display:flex;flex-wrap:wrap;gap:1.25rem 1.5rem;align-items:flex-start;overflow-x:auto}
.charts>svg{flex:none;display:block}
details{margin:.4rem 0;border:1px solid var(--grid);border-radius:6px;padding:0 .9rem}
summary{cursor:pointer;padding:.4rem 0;overflow-wrap:anywhere}
details[open]>summary{border-bottom:1px solid var(--grid);margin-bottom:.5rem}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
svg.chart{fill:var(--ink)}
.bg{fill:var(--paper)}.axis{stroke:var(--axis)}.grid{stroke:var(--grid)}.ink{stroke:var(--ink)}.none{stroke:var(--none)}.hatch{stroke:var(--hatch)}
.hit:hover>:not(.bg){stroke:var(--ink)}
#tip{position:fixed;left:0;top:0;z-index:9;pointer-events:none;max-width:24rem;padding:.3rem .55rem;border-radius:4px;background:var(--ink);color:var(--paper);font-size:.84rem;line-height:1.35;white-space:pre-line;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
#tip[hidden]{display:none}
@media print{
@page{margin:14mm}
body{font-size:10.5pt}
main{max-width:none;padding:0}
h2,p:has(+.scroll),p:has(+figure){break-after:avoid}
figure,svg,tr,dl{break-inside:avoid}
summary{break-after:avoid;break-inside:avoid}
details{border:0;padding:0}
thead{display:table-header-group}
th button::after{content:none}
.scroll,.charts{overflow:visible}
table{font-size:8.5pt}
figcaption,dt,dd,.terms dd{font-size:9pt}
th{white-space:normal;vertical-align:bottom}
th,td,th+th,td+td{padding:.2rem .3rem}
td:not(.n){min-width:5.5rem}
.charts{gap:.75rem 1rem}
.charts>svg{zoom:.64}
dl{background:none;border:1px solid var(--grid)}
#tip{display:none}
a{color:inherit;text-decoration:none}
}
)";

std::string series_variables(const std::array<std::string_view, kSeriesColors>& colors) {
  std::string out;
  for (std::size_t i = 0; i < colors.size(); ++i) out += fmt::format("--s{}:{};", i, colors[i]);
  return out;
}

}  // namespace

const std::string_view kPagePolicy =
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'\">\n";

std::string page_style() {
  std::string out =
      fmt::format(":root{{color-scheme:light dark;{}{}}}\n", kLight, series_variables(kSeriesOnLight));
  // On screen only: paper is white.
  out += fmt::format(
      "@media screen and (prefers-color-scheme:dark){{:root{{{}{}}}}}\n@media "
      "print{{:root{{color-scheme:light}}}}\n",
      kDark, series_variables(kSeriesOnDark));
  out += kRules;
  for (Index i = 0; i < kSeriesColors; ++i)
    out += fmt::format(".s{0}{{fill:var(--s{0});stroke:var(--s{0})}}", i);
  return out + "\n";
}

}  // namespace lorry::report
