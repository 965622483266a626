// cli/data_options.hpp: which data are read and how, for every command that reads some.
#pragma once
#include "cli/option_table.hpp"
#include "data/dataset.hpp"

namespace lorry::cli {

/// Paths with optional weights, "a.jsonl:2"; several on the command line, or with commas between them.
Binding bind_data(data::DataFiles& to);

/// "train", "valid" or "test".
Binding bind_split(data::Split& to);

/// Throws OptionError where --split is given and none of `files` is a folder.
void check_split(const OptionTable& table, const data::DataFiles& files);

/// Notes on standard error which keys were given and are of no use to the records read.
void note_unused_keys(const data::RecordKeys& keys, const data::Dataset& data);

/// Adds the template, what is learnt, the keys of records and the memory under "Records". Borrows the
/// options.
void add_reading_options(OptionTable& table, data::DataOptions& options);

}  // namespace lorry::cli
