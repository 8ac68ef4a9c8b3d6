#include "loop/turn.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::steady_clock::time_point kStart{1h};

TEST(Turn, IsDueByAgeCountAndBytes) {
  Turn turn;
  turn.began = kStart;
  EXPECT_FALSE(turn.is_due(Limits(), kStart + 99ms, kStart));
  EXPECT_TRUE(turn.is_due(Limits(), kStart + 100ms, kStart));
  turn.counts.records_in = 50'000;
  EXPECT_TRUE(turn.is_due(Limits(), kStart, kStart));
  turn.counts.records_in = 1;
  turn.counts.output_bytes = std::size_t{64} << 20;
  EXPECT_TRUE(turn.is_due(Limits(), kStart, kStart));
}

TEST(Turn, LetsAPollWaitNoLongerThanUntilItIsDue) {
  Turn turn;
  EXPECT_EQ(turn.wait_max(Limits(), kStart), 50ms);
  turn.began = kStart;
  EXPECT_EQ(turn.wait_max(Limits(), kStart + 10ms), 50ms);
  EXPECT_EQ(turn.wait_max(Limits(), kStart + 70ms), 30ms);
  EXPECT_EQ(turn.wait_max(Limits(), kStart + 200ms), 0ms);
}

TEST(Turn, ThatOnlyMovedPastControlRecordsCommitsOnceASecond) {
  Turn turn;
  turn.next_offsets[{InputIndex(0), Partition(0)}] = NextOffset(5);
  EXPECT_FALSE(turn.is_due(Limits(), kStart + 999ms, kStart));
  EXPECT_TRUE(turn.is_due(Limits(), kStart + 1000ms, kStart));
}

TEST(Turn, WithNothingIsNeverDue) {
  EXPECT_FALSE(Turn().is_due(Limits(), kStart + 1h, kStart));
}

// 2000 records of 17 ms each held a transaction open for 34 s, longer than the broker lets it be.
TEST(NextBatch, HoldsAsManyAsASlowStageDoesInASecond) {
  EXPECT_EQ(next_batch_max(Limits(), 2000, 2000, 34s), 58U);
  EXPECT_EQ(next_batch_max(Limits(), 2000, 50, 850ms), 58U);
  EXPECT_EQ(next_batch_max(Limits(), 58, 3, 10min), 1U);
}

TEST(NextBatch, GrowsBackUntilItIsWhole) {
  EXPECT_EQ(next_batch_max(Limits(), 1, 1, 1ms), 2U);
  EXPECT_EQ(next_batch_max(Limits(), 1500, 1500, 10ms), 2000U);
  EXPECT_EQ(next_batch_max(Limits(), 2000, 0, 0ms), 2000U);
}

}  // namespace
}  // namespace weir
