#include "state/rocksdb_segment_store.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/core.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

namespace weir {
namespace {

constexpr char kEntryTag = 'e';
constexpr std::string_view kCheckpointKey = "c";
constexpr std::size_t kEntryKeyBytes = 1 + 8 + 16;
// MultiGet keeps a block pinned per key: bounded, whatever the batch.
constexpr std::size_t kLookupKeysMax = 1024;

using EntryKey = std::array<char, kEntryKeyBytes>;

// Big-endian, so that order of bytes is order of values.
char* put(char* at, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    *at++ = static_cast<char>(static_cast<unsigned char>(value >> shift));
  }
  return at;
}

void append(std::string& text, std::int64_t value) {
  std::array<char, 8> bytes{};
  put(bytes.data(), static_cast<std::uint64_t>(value));
  text.append(bytes.data(), bytes.size());
}

std::uint64_t get(const char* at) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) {
    value = (value << 8) | static_cast<unsigned char>(at[i]);
  }
  return value;
}

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;

// Negative buckets before positive ones.
EntryKey entry_key(Bucket bucket, KeyHash hash) {
  EntryKey key{};
  key[0] = kEntryTag;
  char* at = put(key.data() + 1, static_cast<std::uint64_t>(bucket.value()) ^ kSignBit);
  at = put(at, hash.high);
  put(at, hash.low);
  return key;
}

Bucket bucket_of(const rocksdb::Slice& key) {
  return Bucket(static_cast<std::int64_t>(get(key.data() + 1) ^ kSignBit));
}

rocksdb::Slice slice(const EntryKey& key) {
  return {key.data(), key.size()};
}

// S, T(S), then the starts as pairs.
std::string encode(const Checkpoint& checkpoint) {
  std::string text;
  append(text, checkpoint.covered.value());
  append(text, checkpoint.time.value());
  for (const BucketStart& start : checkpoint.starts) {
    append(text, start.bucket.value());
    append(text, start.first.value());
  }
  return text;
}

std::optional<Checkpoint> decode(std::string_view text) {
  if (text.size() < 16 || text.size() % 16 != 0) {
    return std::nullopt;
  }
  const auto number = [&](std::size_t at) {
    return static_cast<std::int64_t>(get(text.data() + at));
  };
  Checkpoint checkpoint{
      .covered = NextOffset(number(0)), .time = StreamTime(number(8)), .starts = {}};
  for (std::size_t at = 16; at < text.size(); at += 16) {
    checkpoint.starts.push_back({.bucket = Bucket(number(at)), .first = Offset(number(at + 8))});
  }
  return checkpoint;
}

rocksdb::Options options_of(const RocksdbLimits& limits, std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;

  rocksdb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kNoCompression;  // hashes don't shrink
  options.write_buffer_size = limits.memtable_bytes_max;
  options.max_write_buffer_number = 2;
  // Most keys are new: a filter in front of the memtable too takes two thirds off a lookup.
  options.memtable_prefix_bloom_size_ratio = 0.05;
  options.memtable_whole_key_filtering = true;
  options.max_open_files = limits.open_files_max;
  options.max_background_jobs = 2;
  options.max_manifest_file_size = std::size_t{1} << 20;
  // A disk that failed once is a person's business, not to be tried again in silence.
  options.max_bgerror_resume_count = 0;
  options.info_log_level = rocksdb::ERROR_LEVEL;
  options.max_log_file_size = std::size_t{1} << 20;
  options.keep_log_file_num = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

// A failure is damage only where RocksDB says so for sure: whatever else it is, wiping the store
// and reading the log again wouldn't mend it.
Status failure_of(const std::filesystem::path& directory, std::string_view doing,
                  const rocksdb::Status& status) {
  const std::string text = status.ToString();
  const std::string message =
      fmt::format("{} the store {}: {}", doing, directory.parent_path().string(), text);
  const auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };
  // A write that waited for a flush which then failed is told of that in words only.
  if (status.IsNoSpace() || says("No space left on device")) {
    return Status::stop(ExitCode::disk,
                        message +
                            ". Free some space and start again: nothing is lost, what isn't "
                            "on disk is read from the log again");
  }
  if (status.IsCorruption() || status.IsPathNotFound() || status.IsInvalidArgument() ||
      status.IsNotSupported() || (status.IsIncomplete() && says("Corruption: "))) {
    return Status::restore(message);
  }
  return Status::stop(ExitCode::disk, message);
}

// RocksDB's own lock, below ours: only something that isn't weir can hold it.
bool is_locked(const rocksdb::Status& status) {
  const std::string message = status.ToString();
  return message.find("While lock file") != std::string::npos ||
         message.find("lock hold by current process") != std::string::npos;
}

// RocksDB takes a record of its MANIFEST that runs past the end, or whose type belongs to another
// kind of log, for the end, and goes on without it and all that follow. One wrong bit there would
// so take files out of the store while the checkpoint in the write-ahead log stays. All else it
// checks. (Blocks of 32 KiB; records of a checksum (4), a length (2), a type (1), the content.)
bool is_read_to_its_end(std::string_view manifest) {
  constexpr std::size_t kBlockBytes = 32768;
  constexpr std::size_t kHeaderBytes = 7;
  std::size_t at = 0;
  while (at < manifest.size()) {
    const std::size_t left_of_block = kBlockBytes - at % kBlockBytes;
    if (left_of_block < kHeaderBytes) {
      at += left_of_block;
      continue;
    }
    if (manifest.size() - at < kHeaderBytes) {
      return false;
    }
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(manifest[at + i]));
    };
    const std::size_t record_bytes = kHeaderBytes + byte(4) + (byte(5) << 8);
    const std::size_t type = byte(6);  // whole, first, middle or last part
    if (record_bytes > left_of_block || type < 1 || type > 4) {
      return false;
    }
    at += record_bytes;
  }
  return at == manifest.size();
}

rocksdb::Status check_manifest(const std::filesystem::path& directory) {
  std::string name;
  std::string manifest;
  rocksdb::Env* const env = rocksdb::Env::Default();
  if (!env->FileExists((directory / "CURRENT").string()).ok()) {
    return rocksdb::Status::OK();  // a new database
  }
  rocksdb::Status status = rocksdb::ReadFileToString(env, (directory / "CURRENT").string(), &name);
  if (status.ok()) {
    name = name.substr(0, name.find('\n'));
    status = rocksdb::ReadFileToString(env, (directory / name).string(), &manifest);
  }
  if (status.ok() && !is_read_to_its_end(manifest)) {
    status = rocksdb::Status::Corruption(name + " would not be read to its end");
  }
  return status;
}

}  // namespace

// Reused from call to call.
struct RocksdbSegmentStore::Lookup {
  std::vector<Probe> probes;
  std::vector<EntryKey> keys;
  std::vector<rocksdb::Slice> slices;
  std::vector<rocksdb::PinnableSlice> values;
  std::vector<rocksdb::Status> statuses;
};

Result<std::unique_ptr<RocksdbSegmentStore>> RocksdbSegmentStore::open(
    const std::filesystem::path& directory, const RocksdbLimits& limits,
    std::shared_ptr<rocksdb::Cache> cache, FileLock lock) {
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = check_manifest(directory);
  if (status.ok()) {
    status = rocksdb::DB::Open(options_of(limits, std::move(cache)), directory.string(), &db);
  }
  if (!status.ok()) {
    return is_locked(status)
               ? Status::retry(fmt::format("the store {} is held by a tool: {}",
                                           directory.parent_path().string(), status.ToString()))
               : failure_of(directory, "can't open", status);
  }
  std::unique_ptr<RocksdbSegmentStore> store(
      new RocksdbSegmentStore(directory, std::move(lock), std::unique_ptr<rocksdb::DB>(db)));
  WEIR_TRY(store->find_buckets());
  return store;
}

RocksdbSegmentStore::RocksdbSegmentStore(std::filesystem::path directory, FileLock lock,
                                         std::unique_ptr<rocksdb::DB> db)
    : directory_(std::move(directory)),
      lock_(std::move(lock)),
      db_(std::move(db)),
      lookup_(std::make_unique<Lookup>()) {}

RocksdbSegmentStore::~RocksdbSegmentStore() = default;

Result<std::optional<Checkpoint>> RocksdbSegmentStore::load() {
  std::string text;
  const rocksdb::Status status = db_->Get({}, kCheckpointKey, &text);
  if (status.IsNotFound()) {
    return std::optional<Checkpoint>();
  }
  if (!status.ok()) {
    return failure("can't read", status);
  }
  std::optional<Checkpoint> checkpoint = decode(text);
  if (!checkpoint) {
    return failure("can't read", rocksdb::Status::Corruption("no checkpoint of this format"));
  }
  return checkpoint;
}

// From bucket to bucket, not from entry to entry.
Status RocksdbSegmentStore::find_buckets() {
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
  at->Seek(rocksdb::Slice(&kEntryTag, 1));
  while (at->Valid() && at->key()[0] == kEntryTag) {
    if (at->key().size() != kEntryKeyBytes) {
      return failure("can't read", rocksdb::Status::Corruption("no entry of this format"));
    }
    const Bucket bucket = bucket_of(at->key());
    buckets_.insert(bucket);
    if (bucket.value() == std::numeric_limits<std::int64_t>::max()) {
      break;
    }
    at->Seek(slice(entry_key(Bucket(bucket.value() + 1), {})));
  }
  return at->status().ok() ? Status::ok() : failure("can't read", at->status());
}

Status RocksdbSegmentStore::find(std::span<const Query> queries, std::span<Found> found) {
  WEIR_ASSERT(found.size() == queries.size());
  std::fill(found.begin(), found.end(), Found{});
  Lookup& lookup = *lookup_;
  lookup.probes.clear();
  lookup.keys.clear();
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const Query& query = queries[i];
    for (auto bucket = buckets_.lower_bound(query.oldest);
         bucket != buckets_.end() && *bucket <= query.newest; ++bucket) {
      if (lookup.keys.size() == kLookupKeysMax) {
        WEIR_TRY(look_up(found));
      }
      lookup.probes.push_back({.query = i, .is_newest = *bucket == query.newest});
      lookup.keys.push_back(entry_key(*bucket, query.hash));
    }
  }
  return look_up(found);
}

Status RocksdbSegmentStore::look_up(std::span<Found> found) {
  Lookup& lookup = *lookup_;
  const std::size_t keys = lookup.keys.size();
  lookup.slices.clear();
  for (const EntryKey& key : lookup.keys) {
    lookup.slices.push_back(slice(key));
  }
  lookup.values.resize(std::max(lookup.values.size(), keys));
  lookup.statuses.resize(std::max(lookup.statuses.size(), keys));
  db_->MultiGet({}, db_->DefaultColumnFamily(), keys, lookup.slices.data(), lookup.values.data(),
                lookup.statuses.data());
  Status result;
  for (std::size_t i = 0; i < keys; ++i) {
    const rocksdb::Status& status = lookup.statuses[i];
    const rocksdb::PinnableSlice& value = lookup.values[i];
    if (status.ok() && value.size() == 8) {
      const Offset offset(static_cast<std::int64_t>(get(value.data())));
      Found& answer = found[lookup.probes[i].query];
      answer.smallest = std::min(answer.smallest.value_or(offset), offset);
      answer.in_newest = answer.in_newest || lookup.probes[i].is_newest;
    } else if (status.ok()) {
      result = failure("can't read", rocksdb::Status::Corruption("no offset of this format"));
    } else if (!status.IsNotFound()) {
      result = failure("can't read", status);
    }
    lookup.values[i].Reset();
  }
  lookup.probes.clear();
  lookup.keys.clear();
  return result;
}

Status RocksdbSegmentStore::write(std::span<const Entry> entries, const Checkpoint& checkpoint) {
  // In the order of the keys: the memtable then finds each place near the one before, which takes
  // a third off an insertion.
  sorted_.assign(entries.begin(), entries.end());
  std::sort(sorted_.begin(), sorted_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.bucket, a.hash) < std::tie(b.bucket, b.hash);
  });
  rocksdb::WriteBatch batch;
  std::set<Bucket> buckets = buckets_;
  for (const Entry& entry : sorted_) {
    std::array<char, 8> offset{};
    put(offset.data(), static_cast<std::uint64_t>(entry.offset.value()));
    batch.Put(slice(entry_key(entry.bucket, entry.hash)), {offset.data(), offset.size()});
    buckets.insert(entry.bucket);
  }
  if (!checkpoint.starts.empty()) {
    const Bucket oldest = checkpoint.starts.front().bucket;
    // In the same batch, and not by dropping files: a power loss that takes the checkpoint back
    // must bring back the buckets that were live there.
    if (!buckets.empty() && *buckets.begin() < oldest) {
      batch.DeleteRange(slice(entry_key(*buckets.begin(), {})), slice(entry_key(oldest, {})));
      buckets.erase(buckets.begin(), buckets.lower_bound(oldest));
    }
  }
  batch.Put(kCheckpointKey, encode(checkpoint));
  const rocksdb::Status status = db_->Write({}, &batch);
  if (!status.ok()) {
    return failure("can't write", status);
  }
  buckets_ = std::move(buckets);
  return Status::ok();
}

Status RocksdbSegmentStore::failure(std::string_view doing, const rocksdb::Status& status) const {
  return failure_of(directory_, doing, status);
}

}  // namespace weir
