// cli/analyze/analyze_command.hpp: the commands of `lorry analyze`.
#pragma once
#include "cli/command.hpp"

namespace lorry::cli {

Command make_similarity_command();
Command make_amplification_command();
Command make_spectrum_command();
Command make_compress_command();

}  // namespace lorry::cli
