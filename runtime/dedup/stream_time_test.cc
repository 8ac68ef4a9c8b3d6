#include "dedup/stream_time.h"

#include <limits>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(StreamClock, IsTheRunningMaximumOfTheTimestamps) {
  StreamClock clock;
  EXPECT_EQ(clock.observe(Timestamp(10)), StreamTime(10));
  EXPECT_EQ(clock.observe(Timestamp(7)), StreamTime(10));
  EXPECT_EQ(clock.observe(Timestamp(12)), StreamTime(12));
  EXPECT_EQ(clock.now(), StreamTime(12));
}

TEST(StreamClock, IgnoresTimestampsThatAreNotStamped) {
  StreamClock clock;
  EXPECT_EQ(clock.observe(Timestamp(0)), StreamTime(0));
  EXPECT_EQ(clock.observe(Timestamp(-1)), StreamTime(0));
  EXPECT_EQ(clock.observe(Timestamp(std::numeric_limits<std::int64_t>::min())), StreamTime(0));
}

TEST(StreamClock, GoesBackToTheCommittedPositionAndNoFurther) {
  StreamClock clock(StreamTime(5));
  clock.observe(Timestamp(9));
  clock.rewind();
  EXPECT_EQ(clock.now(), StreamTime(5));
  clock.observe(Timestamp(9));
  clock.commit();
  clock.observe(Timestamp(20));
  clock.rewind();
  EXPECT_EQ(clock.now(), StreamTime(9));
}

}  // namespace
}  // namespace weir
