#include "dedup/seen_index.h"

#include <limits>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/dedup_schedule.h"
#include "testing/memory_store.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

constexpr Verdict kFresh = Verdict::fresh;
constexpr Verdict kDuplicate = Verdict::duplicate;

// 100 ms in 4 buckets of 25 ms.
constexpr DedupWindow kWindow{.length = milliseconds(100), .buckets = 4};

class SeenIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open(NextOffset start = NextOffset(0)) {
    index_.reset();
    auto store = stores_.open(identity_);
    ASSERT_TRUE(store.is_ok()) << store.status().message();
    auto index = SeenIndex::open(kWindow, std::move(store).value(), start);
    ASSERT_TRUE(index.is_ok()) << index.status().message();
    index_ = std::move(index).value();
  }

  Verdict see(std::int64_t offset, std::int64_t time, const std::string& key) {
    return see_all({{offset, time, key}}).front();
  }

  struct Seen {
    std::int64_t offset;
    std::int64_t time;
    std::string key;  // empty: none
  };

  std::vector<Verdict> see_all(const std::vector<Seen>& records) {
    std::vector<Sighting> sightings;
    for (const Seen& record : records) {
      std::optional<KeyHash> hash;
      if (!record.key.empty()) {
        hash = hash_of(record.key);
      }
      sightings.push_back(
          {.offset = Offset(record.offset), .time = StreamTime(record.time), .hash = hash});
    }
    std::vector<Verdict> verdicts(sightings.size(), kFresh);
    EXPECT_TRUE(index_->see(sightings, verdicts).is_ok());
    return verdicts;
  }

  void commit(std::int64_t next, std::int64_t time) {
    const Status status = index_->commit(NextOffset(next), StreamTime(time));
    ASSERT_TRUE(status.is_ok()) << status.message();
  }

  MemoryStores stores_;
  StoreIdentity identity_{
      .cluster_id = "c", .topic = "t", .topic_id = "i", .group = "g", .key_rule = "k"};
  std::unique_ptr<SeenIndex> index_;
};

TEST_F(SeenIndexTest, TheFirstOfAKeyIsFreshAndTheNextADuplicate) {
  EXPECT_EQ(see(0, 10, "a"), kFresh);
  EXPECT_EQ(see(1, 10, "b"), kFresh);
  EXPECT_EQ(see(2, 10, "a"), kDuplicate);
  commit(3, 10);
  EXPECT_EQ(see(3, 10, "a"), kDuplicate);
}

TEST_F(SeenIndexTest, DuplicatesWithinOneCallAreSeen) {
  EXPECT_THAT(see_all({{0, 10, "a"}, {1, 10, "a"}, {2, 10, "b"}, {3, 11, "a"}}),
              ElementsAre(kFresh, kDuplicate, kFresh, kDuplicate));
}

TEST_F(SeenIndexTest, AKeylessRecordIsFreshAndIsNobodysDuplicate) {
  EXPECT_THAT(see_all({{0, 10, ""}, {1, 10, ""}, {2, 10, "a"}}),
              ElementsAre(kFresh, kFresh, kFresh));
}

TEST_F(SeenIndexTest, TheWindowEndsWithTheBucketThatIsKPlusOneBucketsBack) {
  EXPECT_EQ(see(0, 0, "a"), kFresh);
  EXPECT_EQ(see(1, 24, "b"), kFresh);  // bucket 0 too
  commit(2, 24);
  EXPECT_EQ(see(2, 124, "a"), kDuplicate);  // the last millisecond of bucket 4
  index_->discard();
  EXPECT_EQ(see(2, 125, "b"), kFresh);
}

TEST_F(SeenIndexTest, TheWindowRunsFromTheLastSighting) {
  EXPECT_EQ(see(0, 0, "a"), kFresh);
  EXPECT_EQ(see(1, 100, "a"), kDuplicate);
  commit(2, 100);
  EXPECT_EQ(see(2, 200, "a"), kDuplicate);
  commit(3, 200);
  EXPECT_EQ(see(3, 325, "a"), kFresh);
}

TEST_F(SeenIndexTest, ARecordReadAgainIsNotItsOwnDuplicate) {
  EXPECT_EQ(see(0, 10, "a"), kFresh);
  EXPECT_EQ(see(1, 10, "a"), kDuplicate);
  EXPECT_EQ(see(0, 10, "a"), kFresh);
  EXPECT_EQ(see(1, 10, "a"), kDuplicate);
}

TEST_F(SeenIndexTest, AnAbortedTurnLeavesNothing) {
  EXPECT_EQ(see(0, 10, "a"), kFresh);
  index_->discard();
  EXPECT_EQ(index_->covered(), NextOffset(0));
  EXPECT_EQ(see(0, 10, "a"), kFresh);
  EXPECT_EQ(index_->rebuild_from(NextOffset(1), StreamTime(10)), NextOffset(0));
}

TEST_F(SeenIndexTest, GoesOnAfterACrashFromWhatItCommitted) {
  EXPECT_EQ(see(0, 10, "a"), kFresh);
  commit(5, 10);
  EXPECT_EQ(see(5, 40, "b"), kFresh);
  open(NextOffset(99));
  EXPECT_EQ(index_->covered(), NextOffset(5));
  EXPECT_EQ(index_->time(), StreamTime(10));
  EXPECT_EQ(see(5, 40, "b"), kFresh);
  EXPECT_EQ(see(6, 40, "a"), kDuplicate);
}

TEST_F(SeenIndexTest, ANewStoreStartsWhereItIsTold) {
  identity_.partition = 1;
  open(NextOffset(42));
  EXPECT_EQ(index_->covered(), NextOffset(42));
  EXPECT_EQ(index_->time(), StreamTime(0));
  EXPECT_EQ(index_->rebuild_from(NextOffset(50), StreamTime(0)), NextOffset(50));
}

TEST_F(SeenIndexTest, IsRebuiltFromWhereTEnteredTheOldestLiveBucket) {
  see_all({{0, 10, "a"}, {3, 30, ""}, {4, 30, "b"}, {7, 60, "c"}});
  EXPECT_EQ(index_->rebuild_from(NextOffset(8), StreamTime(60)), NextOffset(0));
  commit(8, 60);
  EXPECT_EQ(index_->rebuild_from(NextOffset(8), StreamTime(60)), NextOffset(0));
  see_all({{8, 130, "d"}});
  // Bucket 0 is dead; bucket 1 began with a keyless record.
  EXPECT_EQ(index_->rebuild_from(NextOffset(9), StreamTime(130)), NextOffset(3));
  commit(9, 130);
  open();
  EXPECT_EQ(index_->rebuild_from(NextOffset(9), StreamTime(130)), NextOffset(3));
  see_all({{9, 1000, "e"}});
  EXPECT_EQ(index_->rebuild_from(NextOffset(10), StreamTime(1000)), NextOffset(9));
}

TEST_F(SeenIndexTest, AJumpOfTheClockForgetsAllBefore) {
  see_all({{0, 10, "a"}, {1, 1'000'000, "a"}});
  EXPECT_EQ(index_->rebuild_from(NextOffset(2), StreamTime(1'000'000)), NextOffset(1));
  commit(2, 1'000'000);
  EXPECT_EQ(see(2, 1'000'000, "a"), kDuplicate);
}

TEST_F(SeenIndexTest, HandsTheStoresFailuresOn) {
  EXPECT_EQ(see(0, 10, "a"), kFresh);
  stores_.fail_next_write(Status::stop(ExitCode::disk, "no space left"));
  const Status status = index_->commit(NextOffset(1), StreamTime(10));
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.remedy(), Remedy::stop);
  EXPECT_EQ(status.message(), "no space left");
  EXPECT_EQ(index_->covered(), NextOffset(0));
}

TEST_F(SeenIndexTest, RefusesAWindowThatHasNoBuckets) {
  for (const DedupWindow window : {DedupWindow{.length = milliseconds(100), .buckets = 0},
                                   DedupWindow{.length = milliseconds(3), .buckets = 4},
                                   DedupWindow{.length = milliseconds::max(), .buckets = 2}}) {
    identity_.partition += 1;
    auto index = SeenIndex::open(window, stores_.open(identity_).value(), NextOffset(0));
    ASSERT_FALSE(index.is_ok());
    EXPECT_EQ(index.status().exit_code(), ExitCode::config);
  }
}

TEST_F(SeenIndexTest, SkippingBackBelowWhatIsOnDiskIsABug) {
  see(0, 10, "a");
  commit(5, 10);
  EXPECT_DEATH(see(4, 10, "b"), "assertion failed");
}

TEST(DedupWindow, BucketsAreRoundedDownAlsoBelowZero) {
  EXPECT_EQ(kWindow.bucket_of(StreamTime(0)), Bucket(0));
  EXPECT_EQ(kWindow.bucket_of(StreamTime(24)), Bucket(0));
  EXPECT_EQ(kWindow.bucket_of(StreamTime(25)), Bucket(1));
  EXPECT_EQ(kWindow.bucket_of(StreamTime(-1)), Bucket(-1));
  EXPECT_EQ(kWindow.bucket_of(StreamTime(-25)), Bucket(-1));
  EXPECT_EQ(kWindow.bucket_of(StreamTime(-26)), Bucket(-2));
  EXPECT_EQ(kWindow.oldest_live(StreamTime(100)), Bucket(0));
}

TEST(DedupWindow, BucketsOfAnUnevenWindowFollowTheFormula) {
  constexpr DedupWindow kUneven{.length = milliseconds(100), .buckets = 3};
  for (std::int64_t time = 0; time < 1000; ++time) {
    EXPECT_EQ(kUneven.bucket_of(StreamTime(time)), Bucket(time * 3 / 100));
  }
}

TEST(DedupWindow, TheLastTimestampThereIsHasABucket) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ((DedupWindow{.length = milliseconds(4), .buckets = 4}).bucket_of(StreamTime(kLast)),
            Bucket(kLast));
  EXPECT_EQ(
      (DedupWindow{.length = std::chrono::hours(24), .buckets = 24}).bucket_of(StreamTime(kLast)),
      Bucket(kLast / 3'600'000));
}

TEST(SeenIndexSchedules, EachVerdictIsTheRulesHoweverTheLifeWent) {
  DedupScheduleCounts counts;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    MemoryStores stores;
    DedupSchedule schedule;
    schedule.seed = seed;
    schedule.lose_writes = [&](std::size_t writes) { stores.lose_writes(writes); };
    ASSERT_EQ(run_dedup_schedule(schedule, stores, counts), "");
  }
  // Vacuous otherwise.
  EXPECT_GT(counts.duplicates, 50'000);
  EXPECT_GT(counts.expired, 5'000);
  EXPECT_GT(counts.aborts, 3'000);
  EXPECT_GT(counts.rereads, 3'000);
  EXPECT_GT(counts.crashes, 3'000);
  EXPECT_GT(counts.behind, 1'000);
  EXPECT_GT(counts.disks_lost, 500);
}

}  // namespace
}  // namespace weir
