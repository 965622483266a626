// One case of tests/golden/variants: an adapter that PEFT saved, and what it computes.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "model/golden_case.hpp"

namespace lorry::model {

class VariantCase : public GoldenCase {
 public:
  /// `name` begins with the base's: "llama.rslora".
  explicit VariantCase(const std::string& name);

  [[nodiscard]] const std::string& base() const { return base_; }
  [[nodiscard]] std::filesystem::path adapter_folder() const;
  /// A tensor of the case's own.
  [[nodiscard]] Matrix of_case(const std::string& name) const { return tensor(name_ + "." + name); }
  /// Logits of document 1 with what is attached.
  [[nodiscard]] Matrix logits() { return logits(decoder()); }
  [[nodiscard]] Matrix logits(Decoder& decoder);
  /// Logits, and where PEFT's are there loss and gradients, of PEFT's adapter are PEFT's.
  void expect_peft();
  /// The losses of twenty AdamW steps that train `adapter` on are PEFT's.
  void expect_losses(Adapter& adapter);

 private:
  std::string name_;
  std::string base_;
  std::vector<GoldenDocument> documents_;
  std::vector<std::vector<GoldenDocument>> training_;
};

/// For INSTANTIATE_TEST_SUITE_P.
std::string variant_name(const ::testing::TestParamInfo<const char*>& test);

}  // namespace lorry::model
