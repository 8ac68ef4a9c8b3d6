// What the seen-index needs from a disk. Implemented by state/ on RocksDB and by testing/ in
// memory.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/record.h"
#include "weir/status.h"

namespace weir {

// 128 bits of a dedup key (XXH3 with a fixed seed): the key itself is not kept. Two different keys
// among 10⁹ collide with a probability below 10⁻²⁰.
struct KeyHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend auto operator<=>(const KeyHash&, const KeyHash&) = default;
};

KeyHash hash_of(std::string_view dedup_key_bytes);

// ⌊T·K/W⌋: the K-th part of a window.
using Bucket = Strong<struct BucketTag, std::int64_t>;

// Where T entered a bucket.
struct BucketStart {
  Bucket bucket;
  Offset first;
};

// The position that the entries of a store cover, and what is needed to go on from there.
struct Checkpoint {
  NextOffset covered;               // S: entries cover all offsets below
  StreamTime time;                  // T(S)
  std::vector<BucketStart> starts;  // of the buckets live at S, ascending
};

// Smallest offset per (bucket, key hash) of one input partition. One thread. After a failure of
// write the object is unusable: open the store again.
class SegmentStore {
 public:
  struct Entry {
    Bucket bucket;
    KeyHash hash;
    Offset offset;
  };

  // Asks for one key in the buckets oldest … newest.
  struct Query {
    KeyHash hash;
    Bucket oldest;
    Bucket newest;
  };

  struct Found {
    std::optional<Offset> smallest;  // over all buckets asked for
    bool in_newest = false;          // the bucket `newest` has an entry
  };

  virtual ~SegmentStore() = default;

  // What the last write left; nullopt for a store never written to.
  virtual Result<std::optional<Checkpoint>> load() = 0;

  // found[i] answers queries[i].
  virtual Status find(std::span<const Query> queries, std::span<Found> found) = 0;

  // Adds the entries, none of whose (bucket, hash) the store holds already, and moves to the
  // checkpoint, both or neither; survives a kill of the process.
  // Buckets below the first of checkpoint.starts are dropped whole.
  virtual Status write(std::span<const Entry> entries, const Checkpoint& checkpoint) = 0;
};

// What a store belongs to. Two that differ in any field don't describe the same log by the same
// rule.
struct StoreIdentity {
  std::string cluster_id;
  std::string topic;
  std::string topic_id;  // empty where the broker doesn't tell: may be any
  std::int32_t partition = 0;
  std::int32_t partitions = 0;
  std::string group;
  std::int64_t window_ms = 0;
  std::int32_t window_buckets = 0;
  std::string key_rule;  // how dedup keys are made, e.g. "fields:comment_id" or "code:spam:1"
};

// ok when equal, a topic's id also where either is unknown; else stop(config) that names the store
// (`place`), the first field that differs, both values and the ways out.
Status check_identity(const StoreIdentity& stored, const StoreIdentity& wanted,
                      std::string_view place);

// Opens stores by identity. Shared by all lanes of a process: calls come from several threads,
// while a store is used by one.
class SegmentStores {
 public:
  virtual ~SegmentStores() = default;

  // Fails with stop(config) naming the field and both values when the store on disk belongs to
  // something else; with restore when it can't be read; with retry when another lane or process
  // still holds it.
  virtual Result<std::unique_ptr<SegmentStore>> open(const StoreIdentity& identity) = 0;

  // Removes what is on disk, whatever it belongs to. The store must not be open.
  virtual Status wipe(const StoreIdentity& identity) = 0;
};

}  // namespace weir
