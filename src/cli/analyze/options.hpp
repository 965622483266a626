// cli/analyze/options.hpp: options that the analyses share, with the same names and words.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "cli/option_table.hpp"
#include "model/target_modules.hpp"

namespace lorry::cli {

/// Of --seeds: enough for any mean, and each costs a decomposition of every shape.
inline constexpr Index kMostSeeds = 1000;

/// Which updates are looked at.
struct SubjectFlags {
  std::vector<std::filesystem::path> adapters;  // adapters, or fully tuned models
  std::filesystem::path model;                  // empty: none
  model::TargetModules modules;                 // neither names nor a pattern: all
};

/// Where results go, beside the terminal.
struct OutputFlags {
  std::filesystem::path csv;
  std::filesystem::path html;
  std::filesystem::path svg;
  bool json = false;
};

/// Adds ADAPTER under "What": one or more of them, unless the caller changes what is returned.
Option& add_subject_option(OptionTable& table, SubjectFlags& flags, std::string help);
/// Add --model and --modules there.
Option& add_model_option(OptionTable& table, SubjectFlags& flags, std::string help);
void add_modules_option(OptionTable& table, SubjectFlags& flags);
/// Adds --json, --csv, --html and --svg under "Output".
void add_output_options(OptionTable& table, OutputFlags& flags);

/// What the user typed, so that a report can say how to make it again: "lorry analyze NAME" and every flag
/// that was given, quoted for a shell.
std::string command_line(const std::string& name, const OptionTable& table);

}  // namespace lorry::cli
