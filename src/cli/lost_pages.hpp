// cli/lost_pages.hpp: what happens where a mapped file loses its pages.
#pragma once

namespace lorry::cli {

/// From now on, touching mapped bytes that are not there any more, since another program shortened the file
/// or its disk fails, ends the process with one line that names the file, and exit code 1: what SIGBUS would
/// end without a word.
void report_lost_pages();

}  // namespace lorry::cli
