#include "cli/analyze/subjects.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/output.hpp"
#include "core/option_error.hpp"
#include "io/safetensors.hpp"
#include "model/adapter_check.hpp"
#include "model/peft_config.hpp"

namespace lorry::cli {

namespace {

/// Some of the modules of another source.
class SelectedUpdates : public analysis::UpdateSource {
 public:
  SelectedUpdates(std::unique_ptr<analysis::UpdateSource> all, const model::TargetModules& targets)
      : all_(std::move(all)) {
    std::vector<std::string> names;
    for (const analysis::UpdateInfo& info : all_->modules()) names.push_back(info.module);
    const std::string where = fmt::format("[analyze] --modules: {}", all_->description());
    const std::vector<std::string> chosen = model::match_modules(targets, names, kHead, where);
    const std::set<std::string> wanted(chosen.begin(), chosen.end());
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!wanted.contains(names[i])) continue;
      infos_.push_back(all_->modules()[i]);
      places_.push_back(static_cast<Index>(i));
    }
  }

  [[nodiscard]] std::string description() const override { return all_->description(); }
  [[nodiscard]] const std::vector<analysis::UpdateInfo>& modules() const override { return infos_; }
  [[nodiscard]] analysis::Update read(Index index) const override {
    return all_->read(places_[static_cast<std::size_t>(index)]);
  }
  [[nodiscard]] Index reading_bytes(Index index) const override {
    return all_->reading_bytes(places_[static_cast<std::size_t>(index)]);
  }

 private:
  static constexpr const char* kHead = "lm_head";  // what "all-linear" leaves out

  std::unique_ptr<analysis::UpdateSource> all_;
  std::vector<analysis::UpdateInfo> infos_;
  std::vector<Index> places_;  // in `all_`, one per info
};

/// The folder's own name, also for "runs/r8/" and ".".
std::string folder_name(const std::filesystem::path& path) {
  const std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  const std::string name = absolute.filename().string();
  return name.empty() ? absolute.parent_path().filename().string() : name;
}

std::vector<std::string> names_of(const std::vector<std::filesystem::path>& paths) {
  std::map<std::string, int> uses;
  for (const std::filesystem::path& path : paths) ++uses[folder_name(path)];
  std::vector<std::string> names;
  for (const std::filesystem::path& path : paths) {
    const std::string name = folder_name(path);
    names.push_back(uses[name] == 1 ? name : path.string());
  }
  return names;
}

/// "a, b and c".
std::string listed(const std::vector<std::string>& words) {
  if (words.size() == 1) return words.front();
  return fmt::format("{} and {}", fmt::join(words.begin(), words.end() - 1, ", "), words.back());
}

/// Measures are of ΔW = s B A of linear layers, whatever else the adapter trained.
void note_what_is_left_out(const std::filesystem::path& adapter) {
  const model::BesideParts parts = model::beside_parts(
      model::load_peft_config(adapter), io::SafetensorsFile(adapter / model::kAdapterWeightsFile));
  if (!parts.trained.empty()) {
    print_note(fmt::format(
        "note: {}: what {} trained is left out; only low-rank updates of linear layers are measured",
        adapter.string(), listed(parts.trained)));
  }
  if (!parts.repeated.empty()) {
    print_note(fmt::format("note: {}: {} repeated in it, taken to be as in the base, which is not looked at",
                           adapter.string(),
                           parts.repeated.size() == 1 ? fmt::format("{} is", parts.repeated.front())
                                                      : fmt::format("{} are", listed(parts.repeated))));
  }
}

}  // namespace

std::vector<Subject> open_subjects(const SubjectFlags& flags, ModelUse use, model::PartsAs parts) {
  std::vector<Subject> subjects;
  const std::vector<std::string> names = names_of(flags.adapters);
  bool any_full = false;
  for (std::size_t i = 0; i < flags.adapters.size(); ++i) {
    const std::filesystem::path& path = flags.adapters[i];
    Subject subject{.name = names[i], .path = path};
    subject.updates = analysis::open_updates(path, flags.model, parts);
    subject.full = !analysis::is_adapter_folder(path);
    any_full = any_full || subject.full;
    if (!subject.full) note_what_is_left_out(path);
    if (!flags.modules.names.empty() || !flags.modules.pattern.empty()) {
      subject.updates = std::make_unique<SelectedUpdates>(std::move(subject.updates), flags.modules);
    }
    subjects.push_back(std::move(subject));
  }
  if (use == ModelUse::kBaseOfTuned && !any_full && !flags.model.empty()) {
    throw OptionError(
        "[analyze] --model: has no effect where every ADAPTER is an adapter; expected it with a fully tuned "
        "model");
  }
  return subjects;
}

std::string description(const Subject& subject) {
  const std::vector<analysis::UpdateInfo>& modules = subject.updates->modules();
  const std::string count = fmt::format("{} module{}", modules.size(), modules.size() == 1 ? "" : "s");
  if (subject.full) return "full fine-tune, " + count;
  return fmt::format("LoRA, rank {}, {}", rank_text(subject), count);
}

std::string rank_text(const Subject& subject) {
  const std::vector<analysis::UpdateInfo>& modules = subject.updates->modules();
  const auto [least, most] = std::minmax_element(
      modules.begin(), modules.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
  return least->rank == most->rank ? std::to_string(most->rank)
                                   : fmt::format("{} to {}", least->rank, most->rank);
}

}  // namespace lorry::cli
