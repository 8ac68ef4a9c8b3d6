#include "host/disk_watch.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

using News = DiskWatch::News;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

TEST(DiskRoom, IsLowBelowFivePercentAndOneGibibyte) {
  EXPECT_FALSE((DiskRoom{kGiB, 1000 * kGiB}).is_low());
  EXPECT_TRUE((DiskRoom{kGiB - 1, 1000 * kGiB}).is_low());
  EXPECT_FALSE((DiskRoom{kGiB / 10, 2 * kGiB}).is_low());
  EXPECT_TRUE((DiskRoom{kGiB / 11, 2 * kGiB}).is_low());
  EXPECT_EQ((DiskRoom{kGiB / 2, 2 * kGiB}).text(), "512 MiB of 2048 MiB");
}

TEST(DiskRoom, IsThatOfAPlaceThatIsThere) {
  const auto here = disk_room(".");
  ASSERT_TRUE(here);
  EXPECT_GT(here->bytes, 0);
  EXPECT_LE(here->free_bytes, here->bytes);
  EXPECT_FALSE(disk_room("no/such/place"));
}

// Files that come and go at the limit would say it every few seconds.
TEST(DiskWatch, TellsALowDiskOnceAndAgainOnlyAfterItHadRoom) {
  constexpr std::uint64_t kBytes = 100 * kGiB;
  DiskWatch watch;
  EXPECT_EQ(watch.observe({kGiB, kBytes}), News::none);
  EXPECT_EQ(watch.observe({kGiB - 1, kBytes}), News::low);
  EXPECT_EQ(watch.observe({0, kBytes}), News::none);
  EXPECT_EQ(watch.observe({kGiB, kBytes}), News::none);
  EXPECT_EQ(watch.observe({kGiB - 1, kBytes}), News::none);
  EXPECT_EQ(watch.observe({2 * kGiB, kBytes}), News::recovered);
  EXPECT_EQ(watch.observe({2 * kGiB, kBytes}), News::none);
  EXPECT_EQ(watch.observe({kGiB - 1, kBytes}), News::low);
}

}  // namespace
}  // namespace weir
