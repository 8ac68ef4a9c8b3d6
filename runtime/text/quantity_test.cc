#include "text/quantity.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

using std::chrono::milliseconds;

TEST(Quantity, IsPrintedAsTheConfigurationWritesIt) {
  EXPECT_EQ(duration_text(milliseconds(0)), "0ms");
  EXPECT_EQ(duration_text(milliseconds(1500)), "1500ms");
  EXPECT_EQ(duration_text(milliseconds(-60'000)), "-60000ms");
  EXPECT_EQ(duration_text(std::chrono::seconds(60)), "1m");
  EXPECT_EQ(duration_text(std::chrono::minutes(90)), "90m");
  EXPECT_EQ(duration_text(std::chrono::hours(24)), "24h");
  EXPECT_EQ(duration_text(std::chrono::hours(36)), "36h");
  EXPECT_EQ(duration_text(std::chrono::hours(48)), "48h");
  EXPECT_EQ(duration_text(std::chrono::hours(7 * 24)), "7d");
  EXPECT_EQ(size_text(0), "0B");
  EXPECT_EQ(size_text(64 << 10), "64KiB");
  EXPECT_EQ(size_text((64 << 10) + 1), "65537B");
}

TEST(Quantity, ATimeIsPrintedToTheSecondThatItIsIn) {
  const std::chrono::sys_seconds midnight(std::chrono::seconds(1'715'904'000));
  EXPECT_EQ(rfc3339(midnight), "2024-05-17T00:00:00Z");
  EXPECT_EQ(rfc3339(midnight - milliseconds(1)), "2024-05-16T23:59:59Z");
}

TEST(Quantity, IsReadWithinItsBoundsOrLeftAloneWithTheReason) {
  milliseconds time(7);
  const auto duration = [&time](std::string_view text) {
    return read_duration(text, milliseconds(10), std::chrono::hours(24), time);
  };
  EXPECT_EQ(duration("5"), "\"5\" has no unit: add ms, s, m, h or d");
  EXPECT_EQ(duration("5 s"),
            "\"5 s\" is no duration: write a whole number and ms, s, m, h or d, "
            "without a space");
  EXPECT_EQ(duration("5sec"), "\"5sec\" has the unit \"sec\", not ms, s, m, h or d");
  // The last is 1,024 ms where a product wraps around.
  for (const char* outside :
       {"9ms", "2d", "99999999999999999999d", "200000000000000d", "8825400613783079d"}) {
    EXPECT_EQ(duration(outside), '"' + std::string(outside) + "\" is outside 10ms … 24h");
  }
  EXPECT_EQ(time.count(), 7);
  EXPECT_EQ(duration("1d"), "");
  EXPECT_EQ(time.count(), 86'400'000);
  std::int64_t bytes = 0;
  EXPECT_EQ(read_size("64KiB", 1, 1 << 20, bytes), "");
  for (const char* outside : {"0B", "2MiB", "17592186044417MiB"}) {
    EXPECT_EQ(read_size(outside, 1, 1 << 20, bytes),
              '"' + std::string(outside) + "\" is outside 1B … 1MiB");
  }
  EXPECT_EQ(bytes, 64 << 10);
  EXPECT_EQ(read_size("64KB", 1, 1 << 20, bytes),
            "\"64KB\" has the unit \"KB\", not B, KiB, MiB or GiB");
}

}  // namespace
}  // namespace weir
