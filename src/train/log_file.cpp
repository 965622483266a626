#include "train/log_file.hpp"

namespace lorry::train {

LogFile::LogFile(std::filesystem::path path, Index keep) : file_("[train]", std::move(path), keep) {}

void LogFile::write(const StepReport& report) {
  const double rate = report.seconds > 0 ? static_cast<double>(report.tokens) / report.seconds : 0;
  write(io::OrderedJson{{"step", report.step},
                        {"loss", report.loss},
                        {"lr", report.lr},
                        {"grad_norm", report.grad_norm},
                        {"tokens", report.tokens},
                        {"targets", report.targets},
                        {"seconds", report.seconds},
                        {"tokens_per_second", rate}});
}

void LogFile::write(Index step, const Evaluation& evaluation) {
  write(io::OrderedJson{{"step", step},
                        {"eval_loss", evaluation.loss},
                        {"eval_perplexity", evaluation.perplexity},
                        {"eval_tokens", evaluation.tokens},
                        {"seconds", evaluation.seconds}});
}

void LogFile::write(const io::OrderedJson& line) {
  file_.append(line.dump() + '\n');
  if (listener_) listener_(line);
}

}  // namespace lorry::train
