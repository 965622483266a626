// bench/benchmark.hpp: how every benchmark begins and ends.
#pragma once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

namespace lorry::bench {

/// Reads the arguments and calls run(); gives the exit code.
template <class Run>
int run_benchmark(CLI::App& app, int argc, char** argv, Run&& run) {
  CLI11_PARSE(app, argc, argv);
  try {
    run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace lorry::bench
