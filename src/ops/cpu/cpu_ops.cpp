#include "ops/cpu/cpu_ops.hpp"

#include <fmt/format.h>
#include <hwy/highway.h>
#include <omp.h>

#include "core/option_error.hpp"
#include "ops/cpu/activations.hpp"
#include "ops/cpu/attention.hpp"
#include "ops/cpu/cross_entropy.hpp"
#include "ops/cpu/dropout.hpp"
#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/embedding.hpp"
#include "ops/cpu/low_rank.hpp"
#include "ops/cpu/noise.hpp"
#include "ops/cpu/norms.hpp"
#include "ops/cpu/optimizer.hpp"
#include "ops/cpu/rope.hpp"
#include "ops/cpu/unpack.hpp"

namespace lorry::ops {

namespace {

/// Where oneDNN's own variable for its products, ONEDNN_MAX_CPU_ISA, is AVX2 or less, no other kernel uses
/// AVX-512 either, so that one machine shows what others with fewer instructions do. For the whole process,
/// as that is.
void bound_kernels() {
  [[maybe_unused]] static const bool kDone = [] {
    constexpr std::int64_t kBeyondAvx2 = HWY_AVX2 - 1;  // better targets have lower bits
    if (cpu::Matmul::forgoes_avx512()) hwy::DisableTargets(kBeyondAvx2);
    return true;
  }();
}

}  // namespace

std::unique_ptr<Ops> make_cpu_ops(Index threads) {
  bound_kernels();
  return std::make_unique<cpu::CpuOps>(threads);
}

namespace cpu {

CpuOps::CpuOps(Index threads) : threads_(threads > 0 ? static_cast<int>(threads) : omp_get_num_procs()) {
  constexpr Index kMostThreads = 1024;
  if (threads < 0 || threads > kMostThreads) {
    throw OptionError("[ops] --threads: found {}; expected 0 (all) to {}", threads, kMostThreads);
  }
}

void CpuOps::enter() const {
  omp_set_num_threads(threads_);
}

std::string CpuOps::description() const {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  const std::int64_t best = usable & -usable;  // better targets have lower bits
  return fmt::format("{}, Highway {}", Matmul::description(), hwy::TargetName(best));
}

bool CpuOps::fast_bf16() const {
  return Matmul::fast_bf16();
}

void CpuOps::matmul(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options) {
  enter();
  matmul_.run(a, b, c, options);
}

Index CpuOps::product_bytes(const ProductSizes& sizes) const {
  return Matmul::kept_bytes(sizes, threads_);
}

void CpuOps::low_rank_project(ConstMatrixView x, ConstMatrixView p, float scale, MatrixView h) {
  enter();
  cpu::low_rank_project(x, p, scale, h);
}

void CpuOps::low_rank_expand_add(ConstMatrixView h, ConstMatrixView p, MatrixView y) {
  enter();
  cpu::low_rank_expand_add(h, p, y);
}

void CpuOps::low_rank_outer_add(ConstMatrixView h, ConstMatrixView x, MatrixView dp) {
  enter();
  cpu::low_rank_outer_add(h, x, dp);
}

void CpuOps::copy(WeightView from, MatrixView to) {
  enter();
  cpu::copy_weight(from, to);
}

void CpuOps::transpose(ConstMatrixView from, MatrixView to) {
  enter();
  cpu::transpose(from, to);
}

void CpuOps::add(ConstMatrixView x, float alpha, MatrixView y) {
  enter();
  cpu::add(x, alpha, y);
}

void CpuOps::add_bias(ConstMatrixView bias, MatrixView y) {
  enter();
  cpu::add_bias(bias, y);
}

void CpuOps::add_bias_backward(ConstMatrixView dy, MatrixView dbias) {
  enter();
  cpu::add_bias_backward(dy, dbias);
}

void CpuOps::scale_columns(ConstMatrixView x, ConstMatrixView factors, MatrixView y) {
  enter();
  cpu::scale_columns(x, factors, y);
}

void CpuOps::add_column_products(ConstMatrixView a, ConstMatrixView b, MatrixView sums) {
  enter();
  cpu::add_column_products(a, b, sums);
}

void CpuOps::dropout(ConstMatrixView x, const DropoutKey& key, MatrixView y) {
  enter();
  cpu::dropout(x, key, y);
}

void CpuOps::embedding(WeightView table, std::span<const std::int32_t> ids, MatrixView y) {
  enter();
  cpu::embedding(table, ids, y);
}

void CpuOps::embedding_backward(ConstMatrixView dy, std::span<const std::int32_t> ids, MatrixView dtable) {
  enter();
  cpu::embedding_backward(dy, ids, dtable);
}

void CpuOps::add_noise(std::span<const float> magnitude, const NoiseKey& key, MatrixView x) {
  enter();
  cpu::add_noise(magnitude, key, x);
}

void CpuOps::rms_norm(ConstMatrixView x, ConstMatrixView weight, float eps, MatrixView y) {
  enter();
  cpu::rms_norm(x, weight, eps, y);
}

void CpuOps::rms_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                               bool accumulate, MatrixView dx, MatrixView dweight) {
  enter();
  cpu::rms_norm_backward(x, weight, eps, dy, accumulate, dx, dweight);
}

void CpuOps::layer_norm(ConstMatrixView x, ConstMatrixView weight, ConstMatrixView bias, float eps,
                        MatrixView y) {
  enter();
  cpu::layer_norm(x, weight, bias, eps, y);
}

void CpuOps::layer_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                                 bool accumulate, MatrixView dx, MatrixView dweight, MatrixView dbias) {
  enter();
  cpu::layer_norm_backward(x, weight, eps, dy, accumulate, dx, dweight, dbias);
}

void CpuOps::rope(ConstMatrixView cos_sin, std::span<const std::int32_t> positions, Index head_dim,
                  bool inverse, MatrixView x) {
  enter();
  cpu::rope(cos_sin, positions, head_dim, inverse, x);
}

void CpuOps::attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                       const AttentionShape& shape, MatrixView out, MatrixView lse) {
  enter();
  cpu::attention(q, k, v, documents, shape, out, lse);
}

void CpuOps::attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                                ConstMatrixView lse, ConstMatrixView dout, const Documents& documents,
                                const AttentionShape& shape, MatrixView dq, MatrixView dk, MatrixView dv) {
  enter();
  cpu::attention_backward(q, k, v, out, lse, dout, documents, shape, dq, dk, dv);
}

void CpuOps::swiglu(ConstMatrixView gate, ConstMatrixView up, MatrixView y) {
  enter();
  cpu::swiglu(gate, up, y);
}

void CpuOps::swiglu_backward(ConstMatrixView gate, ConstMatrixView up, ConstMatrixView dy, MatrixView dgate,
                             MatrixView dup) {
  enter();
  cpu::swiglu_backward(gate, up, dy, dgate, dup);
}

void CpuOps::gelu_tanh(ConstMatrixView x, MatrixView y) {
  enter();
  cpu::gelu_tanh(x, y);
}

void CpuOps::gelu_tanh_backward(ConstMatrixView x, ConstMatrixView dy, MatrixView dx) {
  enter();
  cpu::gelu_tanh_backward(x, dy, dx);
}

double CpuOps::cross_entropy(MatrixView logits, std::span<const std::int32_t> targets,
                             const CrossEntropyOptions& options) {
  enter();
  return cpu::cross_entropy(logits, targets, options);
}

double CpuOps::sum_of_squares(ConstMatrixView x) {
  enter();
  return cpu::sum_of_squares(x);
}

void CpuOps::adamw(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
                   MatrixView first_moment, MatrixView second_moment) {
  enter();
  cpu::adamw(gradient, options, weight, first_moment, second_moment);
}

void CpuOps::adamw_8bit(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
                        Quantized first_moment, Quantized second_moment) {
  enter();
  cpu::adamw_8bit(gradient, options, weight, first_moment, second_moment);
}

void CpuOps::sgd(ConstMatrixView gradient, const SgdOptions& options, MatrixView weight,
                 MatrixView momentum) {
  enter();
  cpu::sgd(gradient, options, weight, momentum);
}

void CpuOps::lion(ConstMatrixView gradient, const LionOptions& options, MatrixView weight, MatrixView mean) {
  enter();
  cpu::lion(gradient, options, weight, mean);
}

}  // namespace cpu
}  // namespace lorry::ops
