// `lorry score`: metrics of generated texts against what people wrote.
#include <fmt/format.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "report/table.hpp"
#include "score/scores.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kScoreNotes =
    R"(Hypotheses: a .jsonl of {"completion"}, as `lorry generate --data` writes it, or one text a line. References: a
.jsonl of {"references": [...]} or of {"prompt", "completion"}, where records of the same prompt belong together; or one
text a line with an empty line between instances. Where both files have prompts they are matched by them, else by order.

Examples:
  lorry score --hypotheses answers.jsonl --references test.jsonl
  lorry score --hypotheses output.txt --references references.txt --json
)";

struct ScoreFlags {
  std::filesystem::path hypotheses;
  std::filesystem::path references;
  bool case_sensitive = false;
  bool json = false;
};

void print_table(const score::Scores& scores) {
  report::Table table({{.title = "metric"}, {.title = "score", .numeric = true}, {.title = "of"}});
  const auto add = [&](const char* name, double value, int digits, const char* of) {
    table.add_row({name, report::Cell(fmt::format("{:.{}f}", value, digits), value), of});
  };
  add("BLEU", scores.bleu.score, 2, "100");
  add("NIST", scores.nist.mteval, 4, "");
  add("NIST, best reference", scores.nist.best_reference, 4, "");
  add("METEOR", scores.meteor, 4, "1");
  add("ROUGE-L", scores.rouge_l, 4, "1");
  add("CIDEr", scores.cider, 4, "10");
  print_out(fmt::format("{}{} texts, {} references\n", table.to_text(), scores.instances, scores.references));
}

void run(const ScoreFlags& flags) {
  const std::vector<score::Instance> instances = score::read_instances(flags.hypotheses, flags.references);
  const score::Scores scores = score::score_all(instances, flags.case_sensitive);
  if (!flags.json) return print_table(scores);
  print_json({{"bleu", scores.bleu.score},
              {"bleu_precisions", scores.bleu.precisions},
              {"bleu_brevity_penalty", scores.bleu.brevity_penalty},
              {"nist", scores.nist.mteval},
              {"nist_best_reference", scores.nist.best_reference},
              {"meteor", scores.meteor},
              {"rouge_l", scores.rouge_l},
              {"cider", scores.cider},
              {"texts", scores.instances},
              {"references", scores.references},
              {"hypothesis_words", scores.bleu.hypothesis_words},
              {"reference_words", scores.bleu.reference_words},
              {"case_sensitive", flags.case_sensitive}});
}

}  // namespace

Command make_score_command() {
  const auto flags = std::make_shared<ScoreFlags>();
  Command command{.name = "score",
                  .purpose = "Scores generated texts: BLEU, NIST, METEOR, ROUGE-L, CIDEr.",
                  .notes = kScoreNotes};
  OptionTable& table = command.options;
  table.group("Input");
  table.add("hypotheses", "FILE", bind_path(flags->hypotheses), "what was generated: .jsonl or text")
      .required = true;
  table.add("references", "FILE", bind_path(flags->references), "what people wrote: .jsonl or text")
      .required = true;
  table.group("Scoring");
  table.add(
      "case-sensitive", "", bind_switch(flags->case_sensitive),
      "BLEU and NIST distinguish upper and lower case, as sacrebleu does unless told; mteval-v13a does not");
  add_json_option(table, flags->json, "the result as one JSON object");
  command.run = [flags](OptionTable&) { run(*flags); };
  return command;
}

}  // namespace lorry::cli
