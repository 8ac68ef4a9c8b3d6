// The seen-index's entries in RocksDB.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "dedup/segment_store.h"
#include "state/file_lock.h"
#include "state/rocksdb_stores.h"

namespace rocksdb {
class Cache;
class DB;
class PinnableSlice;
class Slice;
class Status;
}  // namespace rocksdb

namespace weir {

// One database per store. A write is one atomic batch in the write-ahead log, which a kill -9
// leaves whole; it isn't synced, so a power loss takes the last batches, entries and checkpoint
// alike: the store then is behind the log, as after a crash.
//
// Keys: 'e', bucket (8 bytes, order-preserving), hash (16 bytes) → offset; 'c' → checkpoint.
class RocksdbSegmentStore final : public SegmentStore {
 public:
  // Opens or creates the database in `directory`. restore when it is damaged; stop(disk) when the
  // disk is full or fails. `lock` is held as long as the database is open.
  static Result<std::unique_ptr<RocksdbSegmentStore>> open(const std::filesystem::path& directory,
                                                           const RocksdbLimits& limits,
                                                           std::shared_ptr<rocksdb::Cache> cache,
                                                           FileLock lock);

  RocksdbSegmentStore(const RocksdbSegmentStore&) = delete;
  RocksdbSegmentStore& operator=(const RocksdbSegmentStore&) = delete;
  ~RocksdbSegmentStore() override;

  Result<std::optional<Checkpoint>> load() override;
  Status find(std::span<const Query> queries, std::span<Found> found) override;
  Status write(std::span<const Entry> entries, const Checkpoint& checkpoint) override;

 private:
  RocksdbSegmentStore(std::filesystem::path directory, FileLock lock,
                      std::unique_ptr<rocksdb::DB> db);

  Status find_buckets();
  Status look_up(std::span<Found> found);
  Status failure(std::string_view doing, const rocksdb::Status& status) const;

  // One key of a query, to be looked up.
  struct Probe {
    std::size_t query;
    bool is_newest;
  };

  struct Lookup;

  std::filesystem::path directory_;
  FileLock lock_;
  std::unique_ptr<rocksdb::DB> db_;
  // Those that have entries, so that empty ones cost nothing.
  std::set<Bucket> buckets_;
  std::unique_ptr<Lookup> lookup_;
  std::vector<Entry> sorted_;  // reused from call to call
};

}  // namespace weir
