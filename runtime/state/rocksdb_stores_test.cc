#include "state/rocksdb_stores.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "state/manifest.h"
#include "testing/dedup_schedule.h"
#include "testing/small_disk.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Entry = SegmentStore::Entry;
using Found = SegmentStore::Found;
using Query = SegmentStore::Query;

const StoreIdentity kIdentity{.cluster_id = "kraft-1",
                              .topic = "comments.v1",
                              .topic_id = "Zm9vYmFy",
                              .partition = 0,
                              .partitions = 4,
                              .group = "spam.v1",
                              .window_ms = 1000,
                              .window_buckets = 4,
                              .key_rule = "fields:comment_id"};

// Small, so that a test meets flushed files too.
constexpr RocksdbLimits kSmall{.memtable_bytes_max = std::size_t{64} << 10};

KeyHash key(std::int64_t n) {
  return hash_of(std::to_string(n));
}

Checkpoint checkpoint_at(std::int64_t covered, std::int64_t time = 0,
                         std::vector<BucketStart> starts = {}) {
  return {.covered = NextOffset(covered), .time = StreamTime(time), .starts = std::move(starts)};
}

// What the n-th write of a test writes: `kWritten` entries in bucket n / 50.
constexpr std::int64_t kWritten = 40;

Bucket bucket_of_write(std::int64_t n) {
  return Bucket(n / 50);
}

Status write_nth(SegmentStore& store, std::int64_t n) {
  std::vector<Entry> entries;
  for (std::int64_t i = 0; i < kWritten; ++i) {
    const std::int64_t offset = n * kWritten + i;
    entries.push_back(
        {.bucket = bucket_of_write(n), .hash = key(offset), .offset = Offset(offset)});
  }
  return store.write(
      entries, checkpoint_at((n + 1) * kWritten, n, {{.bucket = Bucket(0), .first = Offset(0)}}));
}

// Writes that are there, after checking that each is there whole and nothing else is.
std::int64_t whole_writes(SegmentStore& store, std::int64_t writes_max) {
  const Result<std::optional<Checkpoint>> loaded = store.load();
  EXPECT_TRUE(loaded.is_ok());
  if (!loaded.is_ok() || !loaded.value()) {
    return 0;
  }
  const std::int64_t covered = loaded.value()->covered.value();
  EXPECT_EQ(covered % kWritten, 0);
  for (std::int64_t n = 0; n < writes_max; ++n) {
    std::vector<Query> queries;
    for (std::int64_t i = 0; i < kWritten; ++i) {
      const Bucket bucket = bucket_of_write(n);
      queries.push_back({.hash = key(n * kWritten + i), .oldest = bucket, .newest = bucket});
    }
    std::vector<Found> found(queries.size());
    EXPECT_TRUE(store.find(queries, found).is_ok());
    for (std::int64_t i = 0; i < kWritten; ++i) {
      const std::int64_t offset = n * kWritten + i;
      const Found& answer = found[static_cast<std::size_t>(i)];
      EXPECT_EQ(answer.smallest.has_value(), offset < covered) << offset;
      if (answer.smallest) {
        EXPECT_EQ(answer.smallest->value(), offset);
      }
    }
  }
  return covered / kWritten;
}

void flip(const fs::path& file, std::streamoff at, unsigned bit) {
  std::fstream damaged(file, std::ios::in | std::ios::out | std::ios::binary);
  damaged.seekg(at);
  const int byte = damaged.get();
  damaged.seekp(at);
  damaged.put(static_cast<char>(byte ^ (1 << bit)));
}

class RocksdbStoresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // In memory where that is to be had: these tests kill processes, not machines.
    const fs::path parent =
        ::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string name = (parent / "weir-stores-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }

  void TearDown() override { fs::remove_all(root_); }

  std::unique_ptr<SegmentStore> open(const StoreIdentity& identity = kIdentity) {
    auto store = RocksdbStores(root_, kSmall).open(identity);
    EXPECT_TRUE(store.is_ok()) << store.status().message();
    return store.is_ok() ? std::move(store).value() : nullptr;
  }

  Status refusal(const StoreIdentity& identity = kIdentity) {
    auto store = RocksdbStores(root_, kSmall).open(identity);
    EXPECT_FALSE(store.is_ok());
    return store.status();
  }

  fs::path directory() const { return root_ / "comments.v1-0"; }

  fs::path root_;
};

TEST_F(RocksdbStoresTest, AStoreNeverWrittenToHasNoCheckpoint) {
  auto store = open();
  EXPECT_EQ(store->load().value(), std::nullopt);
  store.reset();
  EXPECT_EQ(open()->load().value(), std::nullopt);
}

TEST_F(RocksdbStoresTest, WhatWasWrittenIsThereAtTheNextOpen) {
  auto store = open();
  const std::vector<Entry> entries{{.bucket = Bucket(-1), .hash = key(1), .offset = Offset(5)},
                                   {.bucket = Bucket(0), .hash = key(1), .offset = Offset(6)},
                                   {.bucket = Bucket(1), .hash = key(2), .offset = Offset(7)}};
  ASSERT_TRUE(store
                  ->write(entries, checkpoint_at(8, 77,
                                                 {{.bucket = Bucket(-1), .first = Offset(5)},
                                                  {.bucket = Bucket(1), .first = Offset(7)}}))
                  .is_ok());
  for (int times = 0; times < 2; ++times) {
    const Checkpoint checkpoint = store->load().value().value();
    EXPECT_EQ(checkpoint.covered, NextOffset(8));
    EXPECT_EQ(checkpoint.time, StreamTime(77));
    ASSERT_EQ(checkpoint.starts.size(), 2U);
    EXPECT_EQ(checkpoint.starts[0].bucket, Bucket(-1));
    EXPECT_EQ(checkpoint.starts[1].first, Offset(7));

    const std::vector<Query> queries{{.hash = key(1), .oldest = Bucket(-1), .newest = Bucket(1)},
                                     {.hash = key(1), .oldest = Bucket(0), .newest = Bucket(0)},
                                     {.hash = key(1), .oldest = Bucket(1), .newest = Bucket(9)},
                                     {.hash = key(2), .oldest = Bucket(-3), .newest = Bucket(1)}};
    std::vector<Found> found(queries.size());
    ASSERT_TRUE(store->find(queries, found).is_ok());
    EXPECT_EQ(found[0].smallest, Offset(5));
    EXPECT_FALSE(found[0].in_newest);
    EXPECT_EQ(found[1].smallest, Offset(6));
    EXPECT_TRUE(found[1].in_newest);
    EXPECT_EQ(found[2].smallest, std::nullopt);
    EXPECT_EQ(found[3].smallest, Offset(7));
    EXPECT_TRUE(found[3].in_newest);
    store.reset();
    store = open();
  }
}

TEST_F(RocksdbStoresTest, FindsAnyNumberOfKeysInOneCall) {
  auto store = open();
  for (std::int64_t n = 0; n < 200; ++n) {
    ASSERT_TRUE(write_nth(*store, n).is_ok());
  }
  std::vector<Query> queries;
  for (std::int64_t offset = 0; offset < 250 * kWritten; ++offset) {
    queries.push_back({.hash = key(offset), .oldest = Bucket(-10), .newest = Bucket(10)});
  }
  std::vector<Found> found(queries.size());
  ASSERT_TRUE(store->find(queries, found).is_ok());
  for (std::int64_t offset = 0; offset < 250 * kWritten; ++offset) {
    const Found& answer = found[static_cast<std::size_t>(offset)];
    ASSERT_EQ(answer.smallest.has_value(), offset < 200 * kWritten);
    ASSERT_EQ(answer.smallest.value_or(Offset(offset)), Offset(offset));
  }
}

TEST_F(RocksdbStoresTest, DeadBucketsAreDroppedWhole) {
  auto store = open();
  const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  const std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::int64_t> buckets{lowest, -7, -1, 0, 1, 7, highest};
  std::vector<Entry> entries;
  for (const std::int64_t bucket : buckets) {
    entries.push_back({.bucket = Bucket(bucket), .hash = key(1), .offset = Offset(3)});
  }
  ASSERT_TRUE(store->write(entries, checkpoint_at(4)).is_ok());
  const auto live = [&] {
    std::vector<std::int64_t> found_in;
    for (const std::int64_t bucket : buckets) {
      const Query query{.hash = key(1), .oldest = Bucket(bucket), .newest = Bucket(bucket)};
      Found found;
      EXPECT_TRUE(store->find(std::span(&query, 1), std::span(&found, 1)).is_ok());
      if (found.smallest) {
        found_in.push_back(bucket);
      }
    }
    return found_in;
  };
  EXPECT_EQ(live(), buckets);
  for (std::size_t oldest = 0; oldest < buckets.size(); ++oldest) {
    ASSERT_TRUE(
        store
            ->write({},
                    checkpoint_at(4, 0, {{.bucket = Bucket(buckets[oldest]), .first = Offset(3)}}))
            .is_ok());
    const std::vector<std::int64_t> expected(buckets.begin() + static_cast<std::ptrdiff_t>(oldest),
                                             buckets.end());
    EXPECT_EQ(live(), expected);
    store.reset();
    store = open();
    EXPECT_EQ(live(), expected);
    EXPECT_EQ(store->load().value()->covered, NextOffset(4));
  }
}

TEST_F(RocksdbStoresTest, EachFieldOfTheIdentityIsBinding) {
  ASSERT_NE(open(), nullptr);
  const std::vector<std::pair<std::string, std::function<void(StoreIdentity&)>>> changes{
      {"cluster_id is 'kraft-1', this stage's is 'x'", [](auto& i) { i.cluster_id = "x"; }},
      {"topic_id is 'Zm9vYmFy', this stage's is 'x'", [](auto& i) { i.topic_id = "x"; }},
      {"partitions is '4', this stage's is '5'", [](auto& i) { i.partitions = 5; }},
      {"group is 'spam.v1', this stage's is 'spam.v2'", [](auto& i) { i.group = "spam.v2"; }},
      {"window is '1s', this stage's is '2s'", [](auto& i) { i.window_ms = 2000; }},
      {"window_buckets is '4', this stage's is '8'", [](auto& i) { i.window_buckets = 8; }},
      {"key_rule is 'fields:comment_id', this stage's is 'x'", [](auto& i) { i.key_rule = "x"; }},
  };
  for (const auto& [words, change] : changes) {
    StoreIdentity other = kIdentity;
    change(other);
    const Status status = refusal(other);
    ASSERT_EQ(status.remedy(), Remedy::stop) << words;
    EXPECT_EQ(status.exit_code(), ExitCode::config);
    EXPECT_THAT(status.message(), HasSubstr(words));
    EXPECT_THAT(status.message(), HasSubstr(directory().string()));
  }
  EXPECT_NE(open(), nullptr);
}

TEST_F(RocksdbStoresTest, AStoreOfAnUnknownTopicIsBoundToTheFirstThatIsKnown) {
  StoreIdentity unknown = kIdentity;
  unknown.topic_id = "";
  ASSERT_NE(open(unknown), nullptr);
  ASSERT_NE(open(), nullptr);
  ASSERT_NE(open(unknown), nullptr);
  StoreIdentity other = kIdentity;
  other.topic_id = "x";
  EXPECT_THAT(refusal(other).message(), HasSubstr("topic_id is 'Zm9vYmFy', this stage's is 'x'"));
}

TEST_F(RocksdbStoresTest, ADirectoryMovedHereFromAnotherPartitionIsRefused) {
  StoreIdentity other = kIdentity;
  other.partition = 3;
  ASSERT_NE(open(other), nullptr);
  fs::rename(root_ / "comments.v1-3", directory());
  const Status status = refusal();
  ASSERT_EQ(status.remedy(), Remedy::stop);
  EXPECT_THAT(status.message(), HasSubstr("partition is '3', this stage's is '0'"));
}

TEST_F(RocksdbStoresTest, PartitionsHaveStoresOfTheirOwn) {
  auto store = open();
  ASSERT_TRUE(write_nth(*store, 0).is_ok());
  StoreIdentity other = kIdentity;
  other.partition = 1;
  EXPECT_EQ(open(other)->load().value(), std::nullopt);
}

TEST_F(RocksdbStoresTest, ADirectoryWithoutAManifestIsToBeRestored) {
  fs::create_directory(directory());
  EXPECT_EQ(refusal().remedy(), Remedy::restore);
  ASSERT_TRUE(RocksdbStores(root_).wipe(kIdentity).is_ok());
  EXPECT_NE(open(), nullptr);
  fs::remove(directory() / "manifest");
  EXPECT_EQ(refusal().remedy(), Remedy::restore);
}

TEST_F(RocksdbStoresTest, WipeRemovesWhateverIsThere) {
  ASSERT_TRUE(write_nth(*open(), 0).is_ok());
  StoreIdentity other = kIdentity;
  other.group = "else";
  ASSERT_TRUE(RocksdbStores(root_).wipe(other).is_ok());
  EXPECT_FALSE(fs::exists(directory()));
  EXPECT_EQ(open(other)->load().value(), std::nullopt);
  ASSERT_TRUE(RocksdbStores(root_).wipe(other).is_ok());
  ASSERT_TRUE(RocksdbStores(root_).wipe(other).is_ok());
}

TEST_F(RocksdbStoresTest, AStoreThatAnotherLaneHoldsIsToBeTriedAgain) {
  auto store = open();
  const Status status = refusal();
  EXPECT_EQ(status.remedy(), Remedy::retry);
  EXPECT_THAT(status.message(), HasSubstr("is held by this process already"));
  const Status wiped = RocksdbStores(root_).wipe(kIdentity);
  ASSERT_FALSE(wiped.is_ok());
  EXPECT_EQ(wiped.remedy(), Remedy::retry);
  ASSERT_TRUE(write_nth(*store, 0).is_ok());
  store.reset();
  EXPECT_EQ(whole_writes(*open(), 2), 1);
}

// A store of 60 writes, of which copies are damaged. A damaged copy either says that it can't be
// trusted, or steps back to a position that it was at, with all that belongs there (a write-ahead
// log cut short).
class DamagedStoreTest : public RocksdbStoresTest {
 protected:
  static constexpr std::int64_t kWrites = 60;

  void SetUp() override {
    RocksdbStoresTest::SetUp();
    // Opened three times, so that there are files of each kind, yet too few for RocksDB to compact
    // them: it waits a second over each damaged one.
    for (std::int64_t n = 0; n < kWrites;) {
      auto store = RocksdbStores(root_).open(kIdentity).value();
      for (const std::int64_t end = n + kWrites / 3; n < end; ++n) {
        ASSERT_TRUE(write_nth(*store, n).is_ok());
      }
    }
    fs::rename(directory(), root_ / "whole");
    for (const fs::directory_entry& file : fs::recursive_directory_iterator(root_ / "whole")) {
      if (file.is_regular_file() && file.file_size() > 0 &&
          !file.path().filename().string().starts_with("LOG")) {
        files_.push_back(fs::relative(file.path(), root_ / "whole"));
      }
    }
    std::sort(files_.begin(), files_.end());
  }

  // A whole copy in place of the last one.
  fs::path copy_of(const fs::path& file) {
    fs::remove_all(directory());
    fs::copy(root_ / "whole", directory(), fs::copy_options::recursive);
    return directory() / file;
  }

  // Whether it was believed; fails the test when that was wrong.
  bool believed() {
    auto store = RocksdbStores(root_).open(kIdentity);
    if (!store.is_ok()) {
      EXPECT_EQ(store.status().remedy(), Remedy::restore) << store.status().message();
      return false;
    }
    std::vector<Query> queries;
    for (std::int64_t offset = 0; offset < kWrites * kWritten; ++offset) {
      queries.push_back({.hash = key(offset), .oldest = Bucket(0), .newest = Bucket(kWrites)});
    }
    std::vector<Found> found(queries.size());
    const Status status = store.value()->find(queries, found);
    if (!status.is_ok() || !store.value()->load().is_ok()) {
      EXPECT_EQ(status.remedy(), Remedy::restore) << status.message();
      return false;
    }
    whole_writes(*store.value(), kWrites);
    return true;
  }

  std::vector<fs::path> files_;
};

TEST_F(DamagedStoreTest, AFlippedBitIsNeverBelieved) {
  std::mt19937_64 random(1);
  int refused = 0;
  int tried = 0;
  for (const fs::path& file : files_) {
    for (int times = 0; times < 20; ++times) {
      const fs::path damaged = copy_of(file);
      const auto at = static_cast<std::streamoff>(random() % fs::file_size(damaged));
      flip(damaged, at, static_cast<unsigned>(random() % 8));
      SCOPED_TRACE(fmt::format("{} at {}", file.string(), at));
      ++tried;
      refused += believed() ? 0 : 1;
    }
  }
  EXPECT_GT(refused, tried / 3);
}

// RocksDB by itself takes some of them for the end of the list.
TEST_F(DamagedStoreTest, AFlippedBitInTheListOfFilesIsNeverBelieved) {
  for (const fs::path& file : files_) {
    if (!file.filename().string().starts_with("MANIFEST")) {
      continue;
    }
    const auto bits = static_cast<std::streamoff>(8 * fs::file_size(root_ / "whole" / file));
    for (std::streamoff bit = 0; bit < bits; ++bit) {
      flip(copy_of(file), bit / 8, static_cast<unsigned>(bit % 8));
      SCOPED_TRACE(fmt::format("{} at {}, bit {}", file.string(), bit / 8, bit % 8));
      EXPECT_FALSE(believed());
    }
  }
}

TEST_F(DamagedStoreTest, AMissingFileIsNeverOverlooked) {
  int refused = 0;
  for (const fs::path& file : files_) {
    fs::remove(copy_of(file));
    SCOPED_TRACE(file.string());
    refused += believed() ? 0 : 1;
  }
  EXPECT_GE(refused, 3);  // our manifest, RocksDB's, a table
}

TEST_F(RocksdbStoresTest, AWriteThatTheDiskRefusesStops) {
  auto store = open();
  ASSERT_TRUE(write_nth(*store, 0).is_ok());

  struct rlimit before {};

  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit tight = before;
  tight.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  Status status;
  for (std::int64_t n = 1; n < 50 && status.is_ok(); ++n) {
    status = write_nth(*store, n);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.remedy(), Remedy::stop);
  EXPECT_EQ(status.exit_code(), ExitCode::disk);
  // It stays so, and what is on disk is whole.
  EXPECT_FALSE(write_nth(*store, 50).is_ok());
  store.reset();
  EXPECT_GT(whole_writes(*open(), 51), 0);
}

TEST_F(RocksdbStoresTest, TheRuleOfTheSeenIndexHoldsOnDisk) {
  RocksdbStores stores(root_, kSmall);
  DedupScheduleCounts counts;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    DedupSchedule schedule;
    schedule.seed = seed;
    ASSERT_EQ(run_dedup_schedule(schedule, stores, counts), "");
  }
  EXPECT_GT(counts.duplicates, 1000);
  EXPECT_GT(counts.expired, 100);
  EXPECT_GT(counts.behind, 10);
  EXPECT_GT(counts.disks_lost, 10);
}

// ---- what takes another process: this program again, see main below ----

constexpr int kCantMount = 77;

class Child {
 public:
  // This program with `role` and `root` as its arguments.
  Child(const char* role, const fs::path& root) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl("/proc/self/exe", "child", role, root.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    said_ = ends[0];
  }

  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  ~Child() {
    kill();
    ::close(said_);
  }

  pid_t pid() const { return pid_; }

  // The next line that it says; empty when it says no more.
  std::string line() const {
    std::string text;
    char c = 0;
    while (::read(said_, &c, 1) == 1 && c != '\n') {
      text += c;
    }
    return text;
  }

  void kill() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }

  // Its exit code; -1 when it was killed.
  int wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  int said_ = -1;
};

TEST_F(RocksdbStoresTest, WhatWasWrittenSurvivesAKillInTheMiddleOfWrites) {
  std::mt19937_64 random(1);
  std::int64_t written = 0;
  for (int rounds = 0; rounds < 15; ++rounds) {
    {
      const Child child("write-on", root_);
      for (auto lines = static_cast<int>(1 + random() % 40); lines > 0; --lines) {
        const std::string line = child.line();
        ASSERT_NE(line, "") << "the child ended by itself";
        written = std::stoll(line);
      }
    }
    auto store = open();
    ASSERT_NE(store, nullptr);
    const std::int64_t there = whole_writes(*store, written + 100);
    // At least what it said, and at most what it wrote on while we read that.
    ASSERT_GE(there, written);
    written = there;
  }
}

TEST_F(RocksdbStoresTest, AStoreThatAnotherProcessHoldsIsToBeTriedAgain) {
  Child child("hold", root_);
  ASSERT_EQ(child.line(), "held");
  const Status status = refusal();
  EXPECT_EQ(status.remedy(), Remedy::retry);
  EXPECT_THAT(status.message(), HasSubstr(fmt::format("process {} on ", child.pid())));
  child.kill();
  EXPECT_NE(open(), nullptr);
}

// Each line that it says is a failure.
int exit_code_of(Child& child) {
  for (std::string line = child.line(); !line.empty(); line = child.line()) {
    ADD_FAILURE() << line;
  }
  return child.wait();
}

TEST_F(RocksdbStoresTest, AFullDiskStopsAndWhatIsOnItIsWhole) {
  Child child("fill-disk", root_);
  const int exit_code = exit_code_of(child);
  if (exit_code == kCantMount) {
    GTEST_SKIP() << "needs the right to mount a small disk";
  }
  EXPECT_EQ(exit_code, 0);
}

// What a crash leaves of it: here something in the directory can't be removed.
TEST_F(RocksdbStoresTest, AStoreThatIsWipedByHalfIsToBeRestored) {
  ASSERT_TRUE(write_nth(*open(), 0).is_ok());
  Child child("wipe-by-half", root_);
  const int exit_code = exit_code_of(child);
  if (exit_code == kCantMount) {
    GTEST_SKIP() << "needs the right to mount a small disk";
  }
  EXPECT_EQ(exit_code, 0);
  EXPECT_TRUE(fs::exists(directory()));
  EXPECT_EQ(refusal().remedy(), Remedy::restore);
}

void say(const std::string& line) {
  const std::string text = line + '\n';
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
}

// Goes on from what the last one left, and says how many writes there are after each.
int write_on(SegmentStore& store) {
  const std::optional<Checkpoint> last = store.load().value();
  for (std::int64_t n = last ? last->covered.value() / kWritten : 0;; ++n) {
    if (!write_nth(store, n).is_ok()) {
      return 1;
    }
    say(std::to_string(n + 1));
  }
}

void fill(const fs::path& file) {
  std::ofstream filler(file, std::ios::binary);
  while (filler.write(std::string(4096, 'x').data(), 4096).flush()) {
  }
}

// On a disk of 2 MB that only this process sees. Says what is wrong.
int fill_disk(const fs::path& root) {
  if (!mount_small_disk(root, "2m")) {
    return kCantMount;
  }
  std::int64_t written = 0;
  {
    auto store = RocksdbStores(root, kSmall).open(kIdentity);
    if (!store.is_ok()) {
      say(store.status().message());
      return 1;
    }
    Status status;
    for (; status.is_ok() && written < 10'000; ++written) {
      status = write_nth(*store.value(), written);
    }
    if (status.is_ok() || status.remedy() != Remedy::stop || status.exit_code() != ExitCode::disk ||
        status.message().find("Free some space") == std::string::npos) {
      say("after " + std::to_string(written) +
          " writes: " + (status.is_ok() ? "the disk isn't full" : status.message()));
    }
    --written;
  }
  fill(root / "filler");
  {
    const auto store = RocksdbStores(root, kSmall).open(kIdentity);
    if (store.is_ok() || store.status().exit_code() != ExitCode::disk ||
        store.status().message().find("takes 1024 KiB at least. Free some") == std::string::npos) {
      say("on a full disk: " + (store.is_ok() ? "it opens" : store.status().message()));
    }
  }
  fs::remove(root / "filler");
  if (::mount("tmpfs", root.c_str(), "tmpfs", MS_REMOUNT, "size=32m") != 0) {
    say("can't remount");
  }
  auto store = RocksdbStores(root, kSmall).open(kIdentity);
  if (!store.is_ok()) {
    say(store.status().message());
    return 1;
  }
  const std::int64_t there = whole_writes(*store.value(), written + 2);
  if (there < written || there > written + 1 || ::testing::Test::HasFailure()) {
    say(fmt::format("of {} writes {} are there", written, there));
  }
  if (!write_nth(*store.value(), there).is_ok()) {
    say("it can't go on");
  }
  return 0;
}

// Disks that only this process sees hold the directory. Says what is wrong.
int wipe_by_half(const fs::path& root) {
  const fs::path directory = root / "comments.v1-0";
  const auto hold = [&](const char* name) {
    fs::create_directory(directory / name);
    return mount_small_disk(directory / name, "1m");
  };
  // One is listed before the manifest, whether a directory lists what is newest first or last.
  if (!hold("older")) {
    return kCantMount;
  }
  fs::rename(directory / "manifest", root / "kept");
  fs::copy_file(root / "kept", directory / "manifest");
  hold("newer");
  if (RocksdbStores(root, kSmall).wipe(kIdentity).exit_code() != ExitCode::disk) {
    say("what can't be removed was not said");
  }
  return 0;
}

int run_child(std::string_view role, const fs::path& root) {
  if (role == "wipe-by-half") {
    return wipe_by_half(root);
  }
  if (role == "fill-disk") {
    return fill_disk(root);
  }
  auto store = RocksdbStores(root, kSmall).open(kIdentity);
  if (!store.is_ok()) {
    return 1;
  }
  if (role == "write-on") {
    return write_on(*store.value());
  }
  say("held");
  ::pause();
  return 0;
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[0]) == "child") {
    return weir::run_child(argv[1], argv[2]);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
