#include "report/page_parts.hpp"

namespace lorry::report {

const std::string_view kPagePolicy =
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'\">\n";

const std::string_view kPageStyle = R"(:root{color-scheme:light dark}
body{font-family:sans-serif}
td.n,th.n{text-align:right}
)";

}  // namespace lorry::report
