#include "host/lane_probe.h"

#include <chrono>
#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A turn with a refused record is tried several times; each time all its dead letters were counted.
TEST(WaitingText, SaysWhatIsWaitedForSinceWhenAndHowFarItIs) {
  const std::chrono::system_clock::time_point since(std::chrono::seconds(1'715'904'000));
  LaneStatus lane;
  EXPECT_EQ(waiting_text(lane, since), "joining the group since 2024-05-17T00:00:00Z");
  lane.partitions.resize(3);
  lane.partitions[1].phase = PartitionPhase::restoring;
  EXPECT_EQ(waiting_text(lane, since),
            "restoring its state since 2024-05-17T00:00:00Z, 2 of 3 partitions done");
  lane.partitions[1].phase = PartitionPhase::running;
  EXPECT_EQ(waiting_text(lane, since), "not ready since 2024-05-17T00:00:00Z");
}

TEST(LaneProbe, DeadLettersAreLoggedAsManyAsWereCommitted) {
  Metrics metrics({.deployment = "d", .version = 1});
  const Log log("d", config::LogLevel::info);
  LaneProbe probe(metrics, 0, {{"in", "raw"}}, log);
  const InputPartition where{InputIndex(0), Partition(3)};
  const auto set_aside = [&](std::int64_t offset) {
    probe.record_dead_lettered({where, Offset(offset)}, "bad", "why");
  };
  ::testing::internal::CaptureStderr();
  set_aside(4);
  probe.turn_aborted("refused");
  set_aside(5);
  set_aside(6);
  TurnCounts counts;
  counts.dead_letters = 2;
  probe.turn_committed(counts, std::chrono::nanoseconds(1));
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr(R"("count":"2","first":"raw/3 offset 5: bad: why")"));
  EXPECT_THAT(said, Not(HasSubstr("offset 4")));
}

TEST(LaneProbe, ALaneThatAsksTheBrokersLives) {
  Metrics metrics({.deployment = "d", .version = 1});
  const Log log("d", config::LogLevel::info);
  LaneProbe probe(metrics, 0, {{"in", "raw"}}, log);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_LE(probe.last_beat(), before);
  probe.brokers_asked();
  EXPECT_GE(probe.last_beat(), before);
}

// What somebody asks at night of a partition that is somewhere else since.
TEST(LaneProbe, WhatIsOwnedNoLongerIsLoggedWithItsCommittedOffset) {
  Metrics metrics({.deployment = "d", .version = 1});
  const Log log("d", config::LogLevel::info);
  LaneProbe probe(metrics, 0, {{"in", "raw"}, {"side", "more"}}, log);
  const auto said = [&](const auto& happens) {
    for (const auto& [input, partition, committed] : {std::tuple{0, 3, 7}, {0, 4, 9}, {1, 0, 2}}) {
      probe.partition_assigned(
          {InputIndex(static_cast<std::uint16_t>(input)), Partition(partition)},
          PartitionPhase::running, NextOffset(0), NextOffset(committed), StreamTime());
    }
    probe.offset_committed({InputIndex(0), Partition(4)}, NextOffset(11), StreamTime(0));
    ::testing::internal::CaptureStderr();
    happens();
    return ::testing::internal::GetCapturedStderr();
  };
  constexpr const char* kStood = R"("committed":"raw/3: 7, raw/4: 11, more/0: 2"})";
  EXPECT_THAT(said([&] { probe.partitions_revoked(false); }), HasSubstr(kStood));
  EXPECT_THAT(said([&] { probe.consumer_rejoined("fenced", "why"); }), HasSubstr(kStood));
}

TEST(LaneProbe, OfManyPartitionsTheFirstAreNamed) {
  std::vector<PartitionStatus> many(34);
  for (PartitionStatus& p : many) {
    p.topic = "t";
  }
  EXPECT_THAT(committed_text(many), ::testing::EndsWith(", t/0: 0, and 2 more"));
  many.resize(32);
  EXPECT_THAT(committed_text(many), ::testing::EndsWith(", t/0: 0"));
}

TEST(LaneProbe, AnotherProducersOpenTransactionIsSaidOnceUntilItEnds) {
  auto now = std::chrono::system_clock::time_point(std::chrono::hours(400'000));
  Metrics metrics({.deployment = "d", .version = 1, .now = [&] { return now; }});
  const Log log("d", config::LogLevel::info);
  LaneProbe probe(metrics, 0, {{"in", "raw"}}, log);
  const InputPartition where{InputIndex(0), Partition(3)};
  const auto passes = [&](int seconds, std::int64_t readable) {
    now += std::chrono::seconds(seconds);
    ::testing::internal::CaptureStderr();
    probe.end_seen(where, NextOffset(readable));
    probe.end_remembered(where, NextOffset(100));
    return ::testing::internal::GetCapturedStderr();
  };
  ::testing::internal::CaptureStderr();
  probe.partition_assigned(where, PartitionPhase::running, NextOffset(40), NextOffset(40),
                           StreamTime());
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(passes(0, 40), "");
  EXPECT_EQ(passes(59, 40), "");
  EXPECT_THAT(passes(1, 40), AllOf(HasSubstr("left open"), HasSubstr(R"("partition":"raw/3")"),
                                   HasSubstr(R"("from":"40")"), HasSubstr(R"("since":")")));
  EXPECT_EQ(passes(30, 40), "");
  probe.offset_committed(where, NextOffset(70), StreamTime());
  EXPECT_EQ(passes(0, 70), "") << "another one";
  EXPECT_THAT(passes(60, 70), HasSubstr(R"("from":"70")"));
}

// A window that never ends again looked like any other.
TEST(LaneProbe, AStreamTimeFarAheadOfThisMachinesClockIsSaidOncePerPartition) {
  using std::chrono::milliseconds;
  Metrics metrics({.deployment = "d", .version = 1});
  const Log log("d", config::LogLevel::info);
  LaneProbe probe(metrics, 0, {{"in", "raw"}}, log);
  const auto said = [&](std::int32_t partition, std::int64_t time) {
    ::testing::internal::CaptureStderr();
    probe.offset_committed({InputIndex(0), Partition(partition)}, NextOffset(1), StreamTime(time));
    return ::testing::internal::GetCapturedStderr();
  };
  const std::int64_t now =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  constexpr std::int64_t kMinute = milliseconds(std::chrono::minutes(1)).count();
  constexpr std::int64_t kYear9999 = 253'370'764'800'000;
  EXPECT_EQ(said(3, 0), "");
  EXPECT_EQ(said(3, now + 59 * kMinute), "");
  EXPECT_THAT(said(3, now + 90 * kMinute), HasSubstr(R"("partition":"raw/3","stream_time_ms":)"));
  EXPECT_EQ(said(3, kYear9999), "");
  EXPECT_THAT(said(4, kYear9999), HasSubstr(R"("stream_time_ms":"253370764800000")"));
  EXPECT_THAT(said(5, std::numeric_limits<std::int64_t>::max()),
              AllOf(HasSubstr("repeats and retries of it are emitted again"),
                    HasSubstr("no dedup window ends")));
}

}  // namespace
}  // namespace weir
