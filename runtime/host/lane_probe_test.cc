#include "host/lane_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A turn with a refused record is tried several times; each time all its dead letters were counted.
TEST(LaneProbe, DeadLettersAreLoggedAsManyAsWereCommitted) {
  Metrics metrics({.deployment = "d", .version = 1, .parts = {}});
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

}  // namespace
}  // namespace weir
