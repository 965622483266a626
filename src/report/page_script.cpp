#include "report/page_parts.hpp"

namespace lorry::report {

const std::string_view kPageScript = R"('use strict';
)";

}  // namespace lorry::report
