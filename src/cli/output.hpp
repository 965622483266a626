// cli/output.hpp: standard output and standard error, with what can go wrong there.
#pragma once
#include <string_view>

#include "io/json_file.hpp"

namespace lorry::cli {

/// The reader of standard output is gone (`lorry generate ... | head`): stop quietly.
struct OutputClosed {};

/// Writes to standard output at once. Throws OutputClosed, or Error if it cannot be written.
void print_out(std::string_view text);
/// One object, indented, and a newline.
void print_json(const io::OrderedJson& value);
/// A line on standard error. Failures are ignored: nothing depends on it.
void print_note(std::string_view line);

}  // namespace lorry::cli
