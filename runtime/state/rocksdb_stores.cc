#include "state/rocksdb_stores.h"

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <rocksdb/cache.h>

#include "state/file_lock.h"
#include "state/manifest.h"
#include "state/rocksdb_segment_store.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

Status disk_failure(std::string_view what, const fs::path& path, const std::error_code& error) {
  return Status::stop(ExitCode::disk,
                      fmt::format("can't {} {}: {}", what, path.string(), error.message()));
}

// RocksDB ends the process on an assertion where it finds no room to open a store in.
Status check_free_space(const fs::path& root) {
  constexpr std::uintmax_t kNeeded = std::uintmax_t{1} << 20;
  std::error_code error;
  const fs::space_info space = fs::space(root, error);
  if (error) {
    return disk_failure("ask for the free space of", root, error);
  }
  const bool is_limited = space.capacity > 0;  // a tmpfs may be without
  return !is_limited || space.available >= kNeeded
             ? Status::ok()
             : Status::stop(
                   ExitCode::disk,
                   fmt::format("{}: {} KiB of the disk are free, and opening a store takes "
                               "{} KiB at least. Free some space and start again",
                               root.string(), space.available >> 10, kNeeded >> 10));
}

// Only with a manifest is a directory a store; a crash in between leaves one to be wiped.
Status create(const fs::path& root, const fs::path& directory, const fs::path& manifest,
              const StoreIdentity& identity) {
  std::error_code error;
  fs::create_directory(directory, error);
  if (error) {
    return disk_failure("create", directory, error);
  }
  WEIR_TRY(write_manifest(manifest, identity));
  return sync_directory(root);
}

}  // namespace

RocksdbStores::RocksdbStores(fs::path root, RocksdbLimits limits)
    : root_(std::move(root)),
      limits_(limits),
      cache_(rocksdb::NewLRUCache(limits.cache_bytes_max)) {}

Result<std::unique_ptr<SegmentStore>> RocksdbStores::open(const StoreIdentity& identity) {
  const fs::path directory = directory_of(identity);
  const fs::path manifest = directory / "manifest";
  WEIR_TRY_ASSIGN(FileLock lock, FileLock::acquire(directory.string() + ".lock"));
  WEIR_TRY(check_free_space(root_));
  std::error_code error;
  const bool exists = fs::exists(directory, error);
  if (error) {
    return disk_failure("look at", directory, error);
  }
  if (exists) {
    WEIR_TRY_ASSIGN(const StoreIdentity stored, read_manifest(manifest));
    WEIR_TRY(check_identity(stored, identity, directory.string()));
    if (stored.topic_id.empty() && !identity.topic_id.empty()) {
      WEIR_TRY(write_manifest(manifest, identity));  // from now on it is that topic's
    }
  } else {
    WEIR_TRY(create(root_, directory, manifest, identity));
  }
  WEIR_TRY_ASSIGN(std::unique_ptr<SegmentStore> store,
                  RocksdbSegmentStore::open(directory / "db", limits_, cache_, std::move(lock)));
  return store;
}

Status RocksdbStores::wipe(const StoreIdentity& identity) {
  const fs::path directory = directory_of(identity);
  WEIR_TRY_ASSIGN(const FileLock lock, FileLock::acquire(directory.string() + ".lock"));
  // The manifest first: what a crash leaves of a store without one is never believed.
  for (const fs::path& path : {directory / "manifest", directory}) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) {
      return disk_failure("remove", path, error);
    }
  }
  return sync_directory(root_);
}

fs::path RocksdbStores::directory_of(const StoreIdentity& identity) const {
  // Kafka allows no such topic, and wipe must not leave the root.
  WEIR_ASSERT(!identity.topic.empty() && identity.topic.find('/') == std::string::npos);
  return root_ / fmt::format("{}-{}", identity.topic, identity.partition);
}

}  // namespace weir
