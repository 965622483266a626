// tests/support/instruction_sets.hpp: runs the same checks on every instruction set that the kernels were
// compiled for and this machine has.
#pragma once
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cstdint>
#include <vector>

namespace lorry::testing {

/// Calls check() once per instruction set, plain C++ last, and restores the best one.
template <class Check>
void for_each_instruction_set(Check&& check) {
  std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  if (targets.back() != HWY_STATIC_TARGET) targets.push_back(HWY_STATIC_TARGET);
  for (const std::int64_t target : targets) {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, hwy::TargetName(target));
    hwy::GetChosenTarget().Update(target);
    check();
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace lorry::testing
