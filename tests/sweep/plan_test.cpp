// From a request to ranks, alphas, parameters and names, on a model whose k and v are narrower than q.
#include "sweep/plan.hpp"

#include "sweep/sweep_fixture.hpp"

namespace lorry::sweep {
namespace {

class SweepPlan : public Sweep {
 protected:
  Plan plan(const Request& request) {
    if (!inputs_) inputs_ = std::make_unique<train::RunInputs>(open());
    return make_plan(request, *inputs_->model.decoder);
  }
  std::string error(const Request& request) {
    return io::error_of([&] { plan(request); });
  }

  std::unique_ptr<train::RunInputs> inputs_;
};

Budget same_as(Index rank, const char* targets) {
  Budget budget;
  budget.rank = rank;
  budget.target_modules = model::parse_target_modules(targets);
  return budget;
}

std::vector<Index> ranks(const Plan& plan) {
  std::vector<Index> all;
  for (const Row& row : plan.rows) all.push_back(row.options.lora.r);
  return all;
}

std::vector<double> alphas(const Plan& plan) {
  std::vector<double> all;
  for (const Row& row : plan.rows) all.push_back(row.options.lora.lora_alpha);
  return all;
}

std::vector<std::string> labels(const Plan& plan) {
  std::vector<std::string> all;
  for (const Row& row : plan.rows) all.push_back(row.label);
  return all;
}

TEST(RankForBudget, IsTheNearestWholeRankAndAtLeastOne) {
  EXPECT_EQ(rank_for_budget(1000, 100), 10);
  EXPECT_EQ(rank_for_budget(1049, 100), 10);
  EXPECT_EQ(rank_for_budget(1050, 100), 10);  // as near to 11: the smaller
  EXPECT_EQ(rank_for_budget(1051, 100), 11);
  EXPECT_EQ(rank_for_budget(1, 100), 1);
}

TEST_F(SweepPlan, BudgetGivesEachRowTheRankNearestToIt) {
  Request request = SweepPlan::request({lora("q_proj"), lora("k_proj"), lora("v_proj"), lora("o_proj"),
                                        lora("q_proj,k_proj"), lora("q_proj,v_proj"),
                                        lora("q_proj,k_proj,v_proj,o_proj"), full()});
  request.budget = same_as(8, "q_proj");
  const Plan made = plan(request);
  EXPECT_EQ(made.budget, 8 * kPerRankQ);  // 1024
  // k: 1024 / 96 = 10.67; q,k: 1024 / 224 = 4.57; all four: 1024 / 448 = 2.29
  EXPECT_EQ(ranks(made), (std::vector<Index>{8, 11, 11, 8, 5, 5, 2, 8}));
  EXPECT_EQ(made.rows[1].trainable_parameters, 11 * kPerRankK);
  EXPECT_EQ(made.rows[6].trainable_parameters, 2 * 2 * (kPerRankQ + kPerRankK));
  EXPECT_EQ(made.rows[7].trainable_parameters, 35'232);  // every weight of the model
  ASSERT_EQ(made.warnings.size(), 1U);                   // 896 of 1024
  EXPECT_EQ(made.warnings[0],
            "q_proj,k_proj,v_proj,o_proj: rank 2 has 896 parameters, 88 % of the budget of 1024; whole ranks "
            "come no nearer");
}

TEST_F(SweepPlan, ParametersAreThoseThatTrain) {
  Request request = SweepPlan::request({lora("q_proj,k_proj", 3), full()});
  const Results results = sweep(request);
  const Plan made = plan(request);
  EXPECT_EQ(made.rows[0].trainable_parameters, results[0]->trainable_parameters);
  EXPECT_EQ(made.rows[1].trainable_parameters, results[1]->trainable_parameters);
}

TEST_F(SweepPlan, BudgetMayBeANumber) {
  Request request = SweepPlan::request({lora("k_proj"), lora("q_proj")});
  request.budget = Budget{.parameters = 500, .rank = 8, .target_modules = {}};
  EXPECT_EQ(ranks(plan(request)), (std::vector<Index>{5, 4}));
  EXPECT_EQ(alphas(plan(request)), (std::vector<double>{5, 5}));  // the first rank tried
}

TEST_F(SweepPlan, BudgetAndRankContradict) {
  Request request = SweepPlan::request({lora("q_proj", 4)});
  request.budget = same_as(8, "q_proj");
  EXPECT_EQ(error(request),
            "[sweep] row 1 (q_proj): budget: found with rank 4; expected one of them: the budget "
            "chooses ranks");
}

TEST_F(SweepPlan, BudgetOfLayersThatAreNotThere) {
  Request request = SweepPlan::request({lora("q_proj")});
  request.budget = same_as(8, "wq");
  EXPECT_TRUE(
      error(request).starts_with("[sweep] budget: [lora] target_modules: \"wq\" matches no linear layer"))
      << error(request);
}

TEST_F(SweepPlan, PartsOfAFusedMapCostWhatTheyTrain) {
  // A third of c_attn costs a rank as much as a map of that size: Tables 5 and 6 for GPT-2.
  const std::filesystem::path folder =
      std::filesystem::path(LORRY_SOURCE_DIR) / "tests/golden/families/gpt2/model";
  const model::ModelConfig config = model::load_model_config(folder);
  const model::Weights weights = model::load_weights(folder, config);
  const std::unique_ptr<ops::Ops> ops = ops::make_cpu_ops(1);
  model::Decoder decoder(*ops, config, weights, DType::kF32);
  Request request = SweepPlan::request({lora("q_proj"), lora("c_attn.v"), lora("q_proj,v_proj"),
                                        lora("q_proj,k_proj,v_proj,attn.c_proj"), lora("c_attn")});
  request.budget = same_as(8, "q_proj");
  const Plan made = make_plan(request, decoder);
  const Index per_rank = 2 * (36 + 36);
  EXPECT_EQ(made.budget, 8 * per_rank);
  EXPECT_EQ(ranks(made), (std::vector<Index>{8, 8, 4, 2, 4}));
  EXPECT_EQ(made.rows[3].trainable_parameters, 2 * 4 * per_rank);
  EXPECT_EQ(made.rows[4].trainable_parameters, 4 * 2 * (36 + 108));
  EXPECT_EQ(made.cells[2].name, "q_proj+v_proj-r4-alpha8-lr0.01-seed1");
  request.rows = {lora("c_attn,q_proj")};
  EXPECT_NE(io::error_of([&] { make_plan(request, decoder); }).find("and its part"), std::string::npos);
}

TEST_F(SweepPlan, AlphaIsTheFirstRankTried) {
  Request request = SweepPlan::request({lora("q_proj", 2), lora("q_proj", 8)});
  EXPECT_EQ(alphas(plan(request)), (std::vector<double>{2, 2}));
  request.alpha_rule = AlphaRule::kEqualScale;
  EXPECT_EQ(alphas(plan(request)), (std::vector<double>{2, 8}));
  request.budget = same_as(4, "q_proj");
  request.rows = {lora("q_proj,o_proj"), lora("q_proj")};
  EXPECT_EQ(alphas(plan(request)), (std::vector<double>{2, 4}));
  request.alpha_rule = AlphaRule::kFixed;
  EXPECT_EQ(alphas(plan(request)), (std::vector<double>{4, 4}));  // rank 4 was tried first, by the budget
}

TEST_F(SweepPlan, AlphaThatIsGivenHolds) {
  Request request = SweepPlan::request({lora("q_proj", 2), lora("q_proj", 8)});
  for (RowRequest& row : request.rows) row.alpha = 16;
  EXPECT_EQ(alphas(plan(request)), (std::vector<double>{16, 16}));
  request.alpha_rule = AlphaRule::kEqualScale;
  EXPECT_EQ(alphas(plan(request)), (std::vector<double>{16, 64}));
  request.rows[1].exact_alpha = 3;
  EXPECT_EQ(alphas(plan(request)), (std::vector<double>{16, 3}));
}

TEST_F(SweepPlan, NamesTellRowsApart) {
  RowRequest slow = lora("q_proj", 2);
  slow.options.lr = 1e-4;
  RowRequest dropped = lora("q_proj", 4);
  dropped.varied = {{"dropout", "0.1"}};
  RowRequest named = lora("v_proj", 2);
  named.targets_name = "W_v";
  RowRequest mine = lora("o_proj", 2);
  mine.name = "mine";
  const Plan made = plan(SweepPlan::request({lora("q_proj", 2), slow, dropped, named, mine, full()}, {1, 7}));
  EXPECT_EQ(labels(made), (std::vector<std::string>{"q_proj r=2 lr=0.01", "q_proj r=2 lr=0.0001",
                                                    "q_proj r=4 dropout=0.1", "W_v r=2", "mine", "full"}));
  EXPECT_EQ(made.rows[0].series, "q_proj lr=0.01");
  ASSERT_EQ(made.cells.size(), 12U);
  EXPECT_EQ(made.cells[0].name, "q_proj-r2-alpha2-lr0.01-seed1");
  EXPECT_EQ(made.cells[1].name, "q_proj-r2-alpha2-lr0.01-seed7");
  EXPECT_EQ(made.cells[1].options.seed, 7U);
  EXPECT_EQ(made.cells[4].name, "q_proj-r4-alpha2-lr0.01-dropout0.1-seed1");
  EXPECT_EQ(made.cells[6].name, "v_proj-r2-alpha2-lr0.01-seed1");
  EXPECT_EQ(made.cells[10].name, "full-lr0.001-seed1");
}

TEST_F(SweepPlan, CellNamesOfPatternsAreFileNamesAndStayDifferent) {
  const Plan made = plan(SweepPlan::request(
      {lora(".*q_proj", 2), lora(".+q_proj", 2), lora(std::string(300, 'x') + "|.*v_proj", 2)}));
  EXPECT_NE(made.cells[0].name, made.cells[1].name);
  for (const Cell& cell : made.cells) {
    EXPECT_EQ(cell.name.find_first_of("/*()| \\"), std::string::npos) << cell.name;
    EXPECT_NE(cell.name.front(), '.');
    EXPECT_LE(cell.name.size(), 200U);
  }
}

TEST_F(SweepPlan, RepeatedRowsSeedsAndNamesAreRefused) {
  EXPECT_EQ(error(SweepPlan::request({lora("q_proj", 2), lora("v_proj", 2), lora("q_proj", 2)})),
            "[sweep] rows 1 and 3 are the same: q_proj-r2-alpha2-lr0.01-seed1; expected each once");
  EXPECT_EQ(error(SweepPlan::request({lora("q_proj,v_proj", 2), lora("v_proj,q_proj", 2)})),
            "[sweep] rows 1 and 2 are the same: v_proj+q_proj-r2-alpha2-lr0.01-seed1; expected each once");
  EXPECT_EQ(error(SweepPlan::request({lora("q_proj", 2)}, {1, 2, 1})), "[sweep] seed: 1 comes twice");
  Request request = SweepPlan::request({lora("q_proj", 2), lora("v_proj", 2)});
  for (RowRequest& row : request.rows) row.name = "same";
  EXPECT_EQ(error(request), "[sweep] two rows are called \"same\"; expected names of their own");
  EXPECT_TRUE(error(SweepPlan::request({full(), lora("wq", 2)}))
                  .starts_with("[sweep] row 2 (wq): [lora] target_modules: \"wq\" matches no linear layer"));
  EXPECT_EQ(error(SweepPlan::request({lora("q_proj", 2)}, std::vector<std::uint64_t>(10'001))),
            "[sweep] found 1 rows of 10001 seeds, 10001 cells; expected at most 10000");
}

TEST_F(SweepPlan, LeavesTheDecoderWithoutAnUpdate) {
  plan(SweepPlan::request({lora("all-linear", 2)}));
  for (const nn::Linear* linear : inputs_->model.decoder->linears()) EXPECT_TRUE(linear->updates().empty());
}

}  // namespace
}  // namespace lorry::sweep
