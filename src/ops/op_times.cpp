#include "ops/op_times.hpp"

#include <algorithm>
#include <utility>

#include "core/clock.hpp"

namespace lorry::ops {

namespace {

/// One call: adds to its kind when it ends.
class Span {
 public:
  explicit Span(OpTime& time, double flops = 0) : time_(time), flops_(flops) {}
  ~Span() { time_ += {.seconds = watch_.seconds(), .flops = flops_, .calls = 1}; }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  OpTime& time_;
  double flops_;
  Stopwatch watch_;
};

double product_flops(Index rows, Index inner, Index cols) {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) * static_cast<double>(cols);
}

class TimedOps final : public Ops {
 public:
  TimedOps(std::unique_ptr<Ops> ops, std::shared_ptr<OpTimes> times)
      : ops_(std::move(ops)), times_(std::move(times)) {}

  [[nodiscard]] std::string description() const override { return ops_->description(); }
  [[nodiscard]] bool fast_bf16() const override { return ops_->fast_bf16(); }
  [[nodiscard]] Index product_bytes(const ProductSizes& sizes) const override {
    return ops_->product_bytes(sizes);
  }

  void matmul(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options) override {
    const Index inner = options.transpose_a ? a.rows : a.cols;
    Index ranks = 0;
    for (const LowRankTerm& term : options.plus) ranks += term.p.rows;
    const Span span = start(OpKind::kMatmul, product_flops(c.rows, inner + ranks, c.cols));
    ops_->matmul(a, b, c, options);
  }

  void low_rank_project(ConstMatrixView x, ConstMatrixView p, float scale, MatrixView h) override {
    const Span span = start(OpKind::kAdapter, product_flops(x.rows, x.cols, p.rows));
    ops_->low_rank_project(x, p, scale, h);
  }
  void low_rank_expand_add(ConstMatrixView h, ConstMatrixView p, MatrixView y) override {
    const Span span = start(OpKind::kAdapter, product_flops(y.rows, p.rows, y.cols));
    ops_->low_rank_expand_add(h, p, y);
  }
  void low_rank_outer_add(ConstMatrixView h, ConstMatrixView x, MatrixView dp) override {
    const Span span = start(OpKind::kAdapter, product_flops(dp.rows, x.rows, x.cols));
    ops_->low_rank_outer_add(h, x, dp);
  }

  void copy(WeightView from, MatrixView to) override {
    const Span span = start(OpKind::kElementwise);
    ops_->copy(from, to);
  }
  void transpose(ConstMatrixView from, MatrixView to) override {
    const Span span = start(OpKind::kElementwise);
    ops_->transpose(from, to);
  }
  void add(ConstMatrixView x, float alpha, MatrixView y) override {
    const Span span = start(OpKind::kElementwise);
    ops_->add(x, alpha, y);
  }
  void add_bias(ConstMatrixView bias, MatrixView y) override {
    const Span span = start(OpKind::kElementwise);
    ops_->add_bias(bias, y);
  }
  void add_bias_backward(ConstMatrixView dy, MatrixView dbias) override {
    const Span span = start(OpKind::kElementwise);
    ops_->add_bias_backward(dy, dbias);
  }
  void scale_columns(ConstMatrixView x, ConstMatrixView factors, MatrixView y) override {
    const Span span = start(OpKind::kElementwise);
    ops_->scale_columns(x, factors, y);
  }
  void add_column_products(ConstMatrixView a, ConstMatrixView b, MatrixView sums) override {
    const Span span = start(OpKind::kElementwise);
    ops_->add_column_products(a, b, sums);
  }
  void dropout(ConstMatrixView x, const DropoutKey& key, MatrixView y) override {
    const Span span = start(OpKind::kElementwise);
    ops_->dropout(x, key, y);
  }
  void embedding(WeightView table, std::span<const std::int32_t> ids, MatrixView y) override {
    const Span span = start(OpKind::kElementwise);
    ops_->embedding(table, ids, y);
  }
  void embedding_backward(ConstMatrixView dy, std::span<const std::int32_t> ids, MatrixView dtable) override {
    const Span span = start(OpKind::kElementwise);
    ops_->embedding_backward(dy, ids, dtable);
  }
  void add_noise(std::span<const float> magnitude, const NoiseKey& key, MatrixView x) override {
    const Span span = start(OpKind::kElementwise);
    ops_->add_noise(magnitude, key, x);
  }
  void rope(ConstMatrixView cos_sin, std::span<const std::int32_t> positions, Index head_dim, bool inverse,
            MatrixView x) override {
    const Span span = start(OpKind::kElementwise);
    ops_->rope(cos_sin, positions, head_dim, inverse, x);
  }

  void rms_norm(ConstMatrixView x, ConstMatrixView weight, float eps, MatrixView y) override {
    const Span span = start(OpKind::kNorm);
    ops_->rms_norm(x, weight, eps, y);
  }
  void rms_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                         bool accumulate, MatrixView dx, MatrixView dweight) override {
    const Span span = start(OpKind::kNorm);
    ops_->rms_norm_backward(x, weight, eps, dy, accumulate, dx, dweight);
  }
  void layer_norm(ConstMatrixView x, ConstMatrixView weight, ConstMatrixView bias, float eps,
                  MatrixView y) override {
    const Span span = start(OpKind::kNorm);
    ops_->layer_norm(x, weight, bias, eps, y);
  }
  void layer_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                           bool accumulate, MatrixView dx, MatrixView dweight, MatrixView dbias) override {
    const Span span = start(OpKind::kNorm);
    ops_->layer_norm_backward(x, weight, eps, dy, accumulate, dx, dweight, dbias);
  }

  void attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                 const AttentionShape& shape, MatrixView out, MatrixView lse) override {
    const Span span = start(OpKind::kAttention, attention_flops(documents, shape));
    ops_->attention(q, k, v, documents, shape, out, lse);
  }
  void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                          ConstMatrixView lse, ConstMatrixView dout, const Documents& documents,
                          const AttentionShape& shape, MatrixView dq, MatrixView dk, MatrixView dv) override {
    constexpr double kProducts = 2.5;  // five where forward has two
    const Span span = start(OpKind::kAttention, kProducts * attention_flops(documents, shape));
    ops_->attention_backward(q, k, v, out, lse, dout, documents, shape, dq, dk, dv);
  }

  void swiglu(ConstMatrixView gate, ConstMatrixView up, MatrixView y) override {
    const Span span = start(OpKind::kActivation);
    ops_->swiglu(gate, up, y);
  }
  void swiglu_backward(ConstMatrixView gate, ConstMatrixView up, ConstMatrixView dy, MatrixView dgate,
                       MatrixView dup) override {
    const Span span = start(OpKind::kActivation);
    ops_->swiglu_backward(gate, up, dy, dgate, dup);
  }
  void gelu_tanh(ConstMatrixView x, MatrixView y) override {
    const Span span = start(OpKind::kActivation);
    ops_->gelu_tanh(x, y);
  }
  void gelu_tanh_backward(ConstMatrixView x, ConstMatrixView dy, MatrixView dx) override {
    const Span span = start(OpKind::kActivation);
    ops_->gelu_tanh_backward(x, dy, dx);
  }

  double cross_entropy(MatrixView logits, std::span<const std::int32_t> targets,
                       const CrossEntropyOptions& options) override {
    const Span span = start(OpKind::kLoss);
    return ops_->cross_entropy(logits, targets, options);
  }

  double sum_of_squares(ConstMatrixView x) override {
    const Span span = start(OpKind::kOptimizer);
    return ops_->sum_of_squares(x);
  }
  void adamw(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
             MatrixView first_moment, MatrixView second_moment) override {
    const Span span = start(OpKind::kOptimizer);
    ops_->adamw(gradient, options, weight, first_moment, second_moment);
  }
  void adamw_8bit(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
                  Quantized first_moment, Quantized second_moment) override {
    const Span span = start(OpKind::kOptimizer);
    ops_->adamw_8bit(gradient, options, weight, first_moment, second_moment);
  }
  void sgd(ConstMatrixView gradient, const SgdOptions& options, MatrixView weight,
           MatrixView momentum) override {
    const Span span = start(OpKind::kOptimizer);
    ops_->sgd(gradient, options, weight, momentum);
  }
  void lion(ConstMatrixView gradient, const LionOptions& options, MatrixView weight,
            MatrixView mean) override {
    const Span span = start(OpKind::kOptimizer);
    ops_->lion(gradient, options, weight, mean);
  }

 private:
  [[nodiscard]] Span start(OpKind kind, double flops = 0) { return Span(times_->of(kind), flops); }

  std::unique_ptr<Ops> ops_;
  std::shared_ptr<OpTimes> times_;
};

}  // namespace

std::string_view name_of(OpKind kind) {
  switch (kind) {
    case OpKind::kMatmul:
      return "matmul";
    case OpKind::kAdapter:
      return "adapters";
    case OpKind::kAttention:
      return "attention";
    case OpKind::kNorm:
      return "norms";
    case OpKind::kActivation:
      return "activations";
    case OpKind::kElementwise:
      return "element-wise";
    case OpKind::kLoss:
      return "loss";
    case OpKind::kOptimizer:
      return "optimiser";
  }
  return "?";
}

OpTime& OpTime::operator+=(const OpTime& other) {
  seconds += other.seconds;
  flops += other.flops;
  calls += other.calls;
  return *this;
}

OpTime& OpTime::operator-=(const OpTime& other) {
  seconds -= other.seconds;
  flops -= other.flops;
  calls -= other.calls;
  return *this;
}

double OpTimes::seconds() const {
  double sum = 0;
  for (const OpTime& time : kinds) sum += time.seconds;
  return sum;
}

OpTimes& OpTimes::operator+=(const OpTimes& other) {
  for (std::size_t i = 0; i < kinds.size(); ++i) kinds.at(i) += other.kinds.at(i);
  return *this;
}

OpTimes& OpTimes::operator-=(const OpTimes& other) {
  for (std::size_t i = 0; i < kinds.size(); ++i) kinds.at(i) -= other.kinds.at(i);
  return *this;
}

std::unique_ptr<Ops> make_timed_ops(std::unique_ptr<Ops> ops, std::shared_ptr<OpTimes> times) {
  return std::make_unique<TimedOps>(std::move(ops), std::move(times));
}

double attention_flops(const Documents& documents, const AttentionShape& shape) {
  // Pairs of the first n tokens of a document.
  const auto pairs_of = [&](Index n) {
    const Index grown = shape.window > 0 ? std::min(shape.window, n) : n;  // tokens that see all before them
    return static_cast<double>(grown) * static_cast<double>(grown + 1) / 2.0 +
           static_cast<double>(n - grown) * static_cast<double>(grown);
  };
  double pairs = 0;
  for (std::size_t d = 0; d + 1 < documents.queries.size(); ++d) {
    const Index queries = documents.queries[d + 1] - documents.queries[d];
    const Index keys = documents.keys_seen(d);
    pairs += pairs_of(keys) - pairs_of(keys - queries);
  }
  return 4.0 * pairs * static_cast<double>(shape.heads * shape.head_dim);
}

}  // namespace lorry::ops
