// Segment stores on the local disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "dedup/segment_store.h"

namespace rocksdb {
class Cache;
}  // namespace rocksdb

namespace weir {

struct RocksdbLimits {
  // Of each store.
  std::size_t memtable_bytes_max = std::size_t{16} << 20;
  int open_files_max = 256;
  // Of all stores together.
  std::size_t cache_bytes_max = std::size_t{64} << 20;
};

// Each store is a directory `<root>/<topic>-<partition>` with the manifest, which says what it
// belongs to, and the database; beside it lies its lock. Any store may be removed while it isn't
// open: it is rebuilt from the log. Where less than 1 MiB of the disk is free none is opened:
// stop(disk). May be used by several threads, each with stores of its own.
class RocksdbStores final : public SegmentStores {
 public:
  // `root` is created when needed.
  explicit RocksdbStores(std::filesystem::path root, RocksdbLimits limits = {});

  Result<std::unique_ptr<SegmentStore>> open(const StoreIdentity& identity) override;
  Status wipe(const StoreIdentity& identity) override;

 private:
  std::filesystem::path directory_of(const StoreIdentity& identity) const;

  std::filesystem::path root_;
  RocksdbLimits limits_;
  std::shared_ptr<rocksdb::Cache> cache_;
};

}  // namespace weir
