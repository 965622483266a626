#include "sweep/sweep_fixture.hpp"

#include "cli/program.hpp"
#include "model/initialize.hpp"

namespace lorry::sweep {

void Sweep::SetUp() {
  cli::write_tiny_parts(folder_ / "model");
  model::write_random_weights(folder_ / "model" / "model.safetensors",
                              model::load_model_config(folder_ / "model"), 0.3F, DType::kF32, 3,
                              [](Index, Index) {});
  std::filesystem::create_directory(folder_ / "data");
  io::put(folder_ / "data" / "train.jsonl", cli::counting_records(20));
  io::put(folder_ / "data" / "valid.jsonl", cli::counting_records(5));
  options_.model = folder_ / "model";
  options_.data = folder_ / "data";
  options_.lr = 0.01;
  options_.steps = 3;
  options_.eval_steps = 2;
  options_.batch_size = 2;
  options_.max_seq_length = 64;
  options_.dtype = DType::kF32;
  options_.threads = 1;
}

RowRequest Sweep::lora(const std::string& targets, std::optional<Index> rank) const {
  RowRequest row;
  row.options = options_;
  row.options.lora.target_modules = model::parse_target_modules(targets);
  row.rank = rank;
  return row;
}

RowRequest Sweep::full() const {
  RowRequest row;
  row.options = options_;
  row.options.method = train::Method::kFull;
  row.options.lr = 1e-3;
  return row;
}

Request Sweep::request(std::vector<RowRequest> rows, std::vector<std::uint64_t> seeds) {
  Request request;
  request.rows = std::move(rows);
  request.seeds = std::move(seeds);
  return request;
}

Results Sweep::sweep(const Request& request, const SweepObserver& observer) const {
  const CellStore store(folder_ / "out", CellStore::Access::kWrite);
  train::RunInputs inputs = open();
  const Plan plan = make_plan(request, *inputs.model.decoder);
  Results results = find_finished(plan, inputs, store, ChangedCells::kRefuse);
  run_cells(plan, inputs, store, observer, results);
  return results;
}

}  // namespace lorry::sweep
