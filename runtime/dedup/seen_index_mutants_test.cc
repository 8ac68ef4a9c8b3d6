// The tests of the seen-index, tested: each part of the rule left out must show as a wrong verdict.
#include <string>

#include <gtest/gtest.h>

#include "testing/dedup_schedule.h"
#include "testing/memory_store.h"
#include "weir/test_points.h"

namespace weir {
namespace {

constexpr std::uint64_t kNone = 0;

// The first of 2,000 schedules that gives a wrong verdict.
std::uint64_t first_wrong(bool rewinds_clock = true) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    MemoryStores stores;
    DedupScheduleCounts counts;
    DedupSchedule schedule;
    schedule.seed = seed;
    schedule.lose_writes = [&](std::size_t writes) { stores.lose_writes(writes); };
    schedule.rewinds_clock = rewinds_clock;
    schedule.checks_rebuild_from = false;
    if (!run_dedup_schedule(schedule, stores, counts).empty()) {
      return seed;
    }
  }
  return kNone;
}

class SeenIndexMutant : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { choose_mutant(GetParam()); }

  void TearDown() override { choose_mutant(""); }
};

TEST_P(SeenIndexMutant, GivesWrongVerdicts) {
  EXPECT_NE(first_wrong(), kNone);
}

INSTANTIATE_TEST_SUITE_P(Rule, SeenIndexMutant,
                         ::testing::Values("dedup_not_strict", "dedup_duplicates_unwritten",
                                           "dedup_bucket_dropped_early", "dedup_start_keyed_only",
                                           "dedup_last_offset", "dedup_turn_unseen"),
                         [](const auto& tested) { return tested.param; });

TEST(SeenIndexMutants, AClockThatIsNotRewoundGivesWrongVerdicts) {
  EXPECT_NE(first_wrong(/*rewinds_clock=*/false), kNone);
}

TEST(SeenIndexMutants, TheIndexItselfGivesNone) {
  EXPECT_EQ(first_wrong(), kNone);
}

}  // namespace
}  // namespace weir
