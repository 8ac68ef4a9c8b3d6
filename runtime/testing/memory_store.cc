#include "testing/memory_store.h"

#include <algorithm>
#include <vector>

#include <fmt/core.h>

namespace weir {
namespace {

struct Write {
  std::vector<SegmentStore::Entry> entries;
  Checkpoint checkpoint;
};

std::pair<std::string, std::int32_t> place_of(const StoreIdentity& identity) {
  return {identity.topic, identity.partition};
}

}  // namespace

struct MemoryStores::Disk {
  StoreIdentity identity;
  std::vector<Write> writes;
  bool is_open = false;
  bool is_damaged = false;
};

class MemoryStores::Store final : public SegmentStore {
 public:
  Store(std::shared_ptr<Disk> disk, std::shared_ptr<Next> next)
      : disk_(std::move(disk)), next_(std::move(next)) {
    disk_->is_open = true;
    for (const Write& write : disk_->writes) {
      apply(write);
    }
  }

  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  ~Store() override { disk_->is_open = false; }

  Result<std::optional<Checkpoint>> load() override {
    if (disk_->writes.empty()) {
      return std::optional<Checkpoint>();
    }
    if (Status failure = std::exchange(next_->load, Status::ok()); !failure.is_ok()) {
      return failure;
    }
    return std::optional(disk_->writes.back().checkpoint);
  }

  Status find(std::span<const Query> queries, std::span<Found> found) override {
    WEIR_ASSERT(found.size() == queries.size());
    if (!next_->find.first.is_ok() && next_->find.second-- == 0) {
      return std::exchange(next_->find.first, Status::ok());
    }
    for (std::size_t i = 0; i < queries.size(); ++i) {
      found[i] = {};
      const Query& query = queries[i];
      for (auto bucket = buckets_.lower_bound(query.oldest);
           bucket != buckets_.end() && bucket->first <= query.newest; ++bucket) {
        const auto entry = bucket->second.find(query.hash);
        if (entry != bucket->second.end()) {
          found[i].smallest = std::min(found[i].smallest.value_or(entry->second), entry->second);
          found[i].in_newest = bucket->first == query.newest;
        }
      }
    }
    return Status::ok();
  }

  Status write(std::span<const Entry> entries, const Checkpoint& checkpoint) override {
    const auto& starts = checkpoint.starts;
    WEIR_ASSERT(std::adjacent_find(starts.begin(), starts.end(),
                                   [](const BucketStart& a, const BucketStart& b) {
                                     return a.bucket >= b.bucket || a.first > b.first;
                                   }) == starts.end());
    if (Status failure = std::exchange(next_->write, Status::ok()); !failure.is_ok()) {
      return failure;
    }
    apply(disk_->writes.emplace_back(
        Write{.entries = {entries.begin(), entries.end()}, .checkpoint = checkpoint}));
    return Status::ok();
  }

 private:
  void apply(const Write& write) {
    for (const Entry& entry : write.entries) {
      WEIR_ASSERT(buckets_[entry.bucket].try_emplace(entry.hash, entry.offset).second);
    }
    if (!write.checkpoint.starts.empty()) {
      buckets_.erase(buckets_.begin(),
                     buckets_.lower_bound(write.checkpoint.starts.front().bucket));
    }
  }

  std::shared_ptr<Disk> disk_;
  std::shared_ptr<Next> next_;
  std::map<Bucket, std::map<KeyHash, Offset>> buckets_;
};

Result<std::unique_ptr<SegmentStore>> MemoryStores::open(const StoreIdentity& identity) {
  const std::string place = fmt::format("memory:{}-{}", identity.topic, identity.partition);
  std::shared_ptr<Disk>& disk = disks_[place_of(identity)];
  if (disk == nullptr) {
    disk = std::make_shared<Disk>();
    disk->identity = identity;
  }
  if (disk->is_open) {
    return Status::retry(fmt::format("the store {} is held by another lane", place));
  }
  if (disk->is_damaged) {
    return Status::restore(fmt::format("the store {} is damaged", place));
  }
  WEIR_TRY(check_identity(disk->identity, identity, place));
  return std::unique_ptr<SegmentStore>(std::make_unique<Store>(disk, next_));
}

Status MemoryStores::wipe(const StoreIdentity& identity) {
  const auto disk = disks_.find(place_of(identity));
  if (disk != disks_.end()) {
    if (disk->second->is_open) {
      return Status::retry(fmt::format("the store memory:{}-{} is held by another lane",
                                       identity.topic, identity.partition));
    }
    disks_.erase(disk);
  }
  return Status::ok();
}

void MemoryStores::lose_writes(std::size_t writes) {
  for (const auto& [place, disk] : disks_) {
    WEIR_ASSERT(!disk->is_open);
    disk->writes.resize(disk->writes.size() - std::min(writes, disk->writes.size()));
  }
}

void MemoryStores::damage() {
  for (const auto& [place, disk] : disks_) {
    disk->is_damaged = true;
  }
}

}  // namespace weir
