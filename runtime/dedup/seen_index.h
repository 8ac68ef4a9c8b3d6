// Which records are duplicates: a pure function of one partition's log.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "dedup/segment_store.h"
#include "weir/record.h"
#include "weir/status.h"

namespace weir {

// A window W in K buckets. Live at time T are the K+1 buckets bucket_of(T)−K … bucket_of(T), so a
// key is remembered for W … W·(1+1/K) after its last sighting.
struct DedupWindow {
  std::chrono::milliseconds length{};
  std::int32_t buckets = 4;

  // ⌊T·K/W⌋, rounded down below zero too.
  Bucket bucket_of(StreamTime time) const;

  Bucket oldest_live(StreamTime time) const { return Bucket(bucket_of(time).value() - buckets); }

  friend bool operator==(const DedupWindow&, const DedupWindow&) = default;
};

enum class Verdict : std::uint8_t { fresh, duplicate };

// A record as the index sees it.
struct Sighting {
  Offset offset;
  StreamTime time;              // T(offset)
  std::optional<KeyHash> hash;  // nullopt: it moves the clock only (not decoded, or no key)
};

// The seen-index of one input partition.
//
// The rule: a record at offset o is a duplicate iff a bucket live at o holds its key with an offset
// strictly below o. Every record with a key is written, duplicates too (so the window runs from the
// last sighting), whatever became of it. Because the comparison is strict, the same offset gets the
// same verdict however often it is read, and an entry of an aborted turn does no harm.
//
// On disk the index may be behind the committed offset, never ahead of it: `commit` is called after
// Kafka committed. One thread.
class SeenIndex {
 public:
  // A `store` never written to starts empty at `start`, the first offset that will be read.
  // stop(config) when the window is not at least 1 ms per bucket.
  static Result<std::unique_ptr<SeenIndex>> open(DedupWindow window,
                                                 std::unique_ptr<SegmentStore> store,
                                                 NextOffset start);

  // verdicts[i] for sightings[i], and remembers them for the open turn. The records are the next of
  // the log, all of them, in its order; a call may also go back, to S at most, and gives the same
  // verdicts again. A keyless record is `fresh`. After a failure nothing of the call is remembered.
  Status see(std::span<const Sighting> sightings, std::span<Verdict> verdicts);

  // All sightings since the last commit lie below `next`; Kafka committed it (or, while restoring,
  // an offset at or above it). `time` is T(next). After a failure the object is unusable: open the
  // store again.
  Status commit(NextOffset next, StreamTime time);

  // A call failed with restore: what is on disk can't be trusted.
  bool is_damaged() const { return is_damaged_; }

  // Forgets the sightings since the last commit; the log will be read again from S.
  void discard();

  // S: sightings below it are on disk.
  NextOffset covered() const { return checkpoint_.covered; }

  // T(S).
  StreamTime time() const { return checkpoint_.time; }

  // r for position `next` at T(next) = `time`: the index can be rebuilt by reading from here.
  NextOffset rebuild_from(NextOffset next, StreamTime time) const;

 private:
  struct PendingKey {
    KeyHash hash;
    Bucket bucket;

    friend bool operator==(const PendingKey&, const PendingKey&) = default;
  };

  struct PendingHash {
    std::size_t operator()(const PendingKey& key) const {
      return key.hash.low ^
             (static_cast<std::uint64_t>(key.bucket.value()) * 0x9E3779B97F4A7C15ULL);
    }
  };

  SeenIndex(DedupWindow window, std::unique_ptr<SegmentStore> store, Checkpoint checkpoint);

  Status noted(Status status);
  void enter(Bucket bucket, Offset offset);
  bool pending_below(const SegmentStore::Query& query, Offset offset) const;
  void remember(const PendingKey& key, Offset offset);
  std::vector<BucketStart> live_starts(StreamTime time) const;

  DedupWindow window_;
  std::unique_ptr<SegmentStore> store_;
  Checkpoint checkpoint_;
  // Of the open turn.
  std::unordered_map<PendingKey, Offset, PendingHash> pending_;
  std::vector<BucketStart> pending_starts_;  // all above those of checkpoint_
  Bucket pending_oldest_;                    // no key is pending in a bucket below
  NextOffset seen_;                          // sightings so far lie below
  bool is_damaged_ = false;
  // Reused from call to call.
  std::vector<SegmentStore::Query> queries_;
  std::vector<SegmentStore::Found> found_;
  std::vector<SegmentStore::Entry> entries_;
};

}  // namespace weir
