#include "dedup/seen_index.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/core.h>

#include "text/quantity.h"
#include "weir/test_points.h"

namespace weir {
namespace {

constexpr Bucket kAboveAll{std::numeric_limits<std::int64_t>::max()};

bool lies_below(Offset entry, Offset offset) {
  return is_mutant("dedup_not_strict") ? entry <= offset : entry < offset;
}

}  // namespace

Bucket DedupWindow::bucket_of(StreamTime time) const {
  // By whole windows first: T·K itself may overflow for a timestamp far ahead.
  const std::int64_t window = length.count();
  std::int64_t whole = time.value() / window;
  std::int64_t rest = time.value() % window;
  if (rest < 0) {
    whole -= 1;
    rest += window;
  }
  return Bucket(whole * buckets + rest * buckets / window);
}

Result<std::unique_ptr<SeenIndex>> SeenIndex::open(DedupWindow window,
                                                   std::unique_ptr<SegmentStore> store,
                                                   NextOffset start) {
  constexpr std::int64_t kProductMax = std::numeric_limits<std::int64_t>::max();
  const std::int64_t length = window.length.count();
  if (window.buckets < 1 || length < window.buckets || length > kProductMax / window.buckets) {
    return Status::stop(ExitCode::config,
                        fmt::format("a dedup window of {} can't be kept in {} buckets: it takes "
                                    "one bucket or more, of 1ms or more each",
                                    duration_text(window.length), window.buckets));
  }
  WEIR_TRY_ASSIGN(std::optional<Checkpoint> stored, store->load());
  Checkpoint checkpoint =
      stored ? *std::move(stored) : Checkpoint{.covered = start, .time = {}, .starts = {}};
  return std::unique_ptr<SeenIndex>(new SeenIndex(window, std::move(store), std::move(checkpoint)));
}

SeenIndex::SeenIndex(DedupWindow window, std::unique_ptr<SegmentStore> store, Checkpoint checkpoint)
    : window_(window), store_(std::move(store)), checkpoint_(std::move(checkpoint)) {
  discard();
}

Status SeenIndex::see(std::span<const Sighting> sightings, std::span<Verdict> verdicts) {
  WEIR_ASSERT(verdicts.size() == sightings.size());
  queries_.clear();
  for (const Sighting& sighting : sightings) {
    if (sighting.hash) {
      queries_.push_back({.hash = *sighting.hash,
                          .oldest = window_.oldest_live(sighting.time),
                          .newest = window_.bucket_of(sighting.time)});
    }
  }
  found_.assign(queries_.size(), {});
  WEIR_TRY(noted(store_->find(queries_, found_)));

  std::size_t keyed = 0;
  NextOffset expected = checkpoint_.covered;
  for (std::size_t i = 0; i < sightings.size(); ++i) {
    const Sighting& sighting = sightings[i];
    // A record out of order, or one whose clock runs differently than it did, would be judged by a
    // rule that no rebuild repeats.
    WEIR_ASSERT(!is_below(sighting.offset, expected));
    WEIR_ASSERT(sighting.time >= checkpoint_.time);
    expected = next(sighting.offset);
    verdicts[i] = Verdict::fresh;
    if (!sighting.hash) {
      if (!is_mutant("dedup_start_keyed_only")) {
        enter(window_.bucket_of(sighting.time), sighting.offset);
      }
      continue;
    }
    const SegmentStore::Query& query = queries_[keyed];
    const SegmentStore::Found& stored = found_[keyed];
    ++keyed;
    enter(query.newest, sighting.offset);
    if ((stored.smallest && lies_below(*stored.smallest, sighting.offset)) ||
        pending_below(query, sighting.offset)) {
      verdicts[i] = Verdict::duplicate;
      if (is_mutant("dedup_duplicates_unwritten")) {
        continue;
      }
    }
    if (!stored.in_newest) {
      remember({.hash = query.hash, .bucket = query.newest}, sighting.offset);
    }
  }
  seen_ = std::max(seen_, expected);
  return Status::ok();
}

Status SeenIndex::noted(Status status) {
  is_damaged_ = is_damaged_ || (!status.is_ok() && status.remedy() == Remedy::restore);
  return status;
}

// A bucket begins where T entered it, whether or not that record had a key: so the clock of a
// rebuild that begins there shows what it showed the first time.
void SeenIndex::enter(Bucket bucket, Offset offset) {
  const std::vector<BucketStart>& starts =
      pending_starts_.empty() ? checkpoint_.starts : pending_starts_;
  if (starts.empty() || starts.back().bucket < bucket) {
    pending_starts_.push_back({.bucket = bucket, .first = offset});
  }
}

bool SeenIndex::pending_below(const SegmentStore::Query& query, Offset offset) const {
  if (is_mutant("dedup_turn_unseen")) {
    return false;
  }
  for (Bucket bucket = std::max(query.oldest, pending_oldest_); bucket <= query.newest;
       bucket = Bucket(bucket.value() + 1)) {
    const auto found = pending_.find({.hash = query.hash, .bucket = bucket});
    if (found != pending_.end() && lies_below(found->second, offset)) {
      return true;
    }
  }
  return false;
}

void SeenIndex::remember(const PendingKey& key, Offset offset) {
  pending_oldest_ = std::min(pending_oldest_, key.bucket);
  const auto [entry, is_new] = pending_.try_emplace(key, offset);
  if (!is_new) {
    entry->second = is_mutant("dedup_last_offset") ? std::max(entry->second, offset)
                                                   : std::min(entry->second, offset);
  }
}

Status SeenIndex::commit(NextOffset next, StreamTime time) {
  WEIR_ASSERT(next >= seen_ && time >= checkpoint_.time);
  Checkpoint checkpoint{.covered = next, .time = time, .starts = live_starts(time)};
  const Bucket oldest = window_.oldest_live(time);
  entries_.clear();
  for (const auto& [key, offset] : pending_) {
    if (key.bucket >= oldest) {
      entries_.push_back({.bucket = key.bucket, .hash = key.hash, .offset = offset});
    }
  }
  WEIR_TRY(noted(store_->write(entries_, checkpoint)));
  checkpoint_ = std::move(checkpoint);
  discard();
  return Status::ok();
}

void SeenIndex::discard() {
  pending_.clear();
  pending_starts_.clear();
  pending_oldest_ = kAboveAll;
  seen_ = checkpoint_.covered;
}

std::vector<BucketStart> SeenIndex::live_starts(StreamTime time) const {
  Bucket oldest = window_.oldest_live(time);
  if (is_mutant("dedup_bucket_dropped_early")) {
    oldest = Bucket(oldest.value() + 1);
  }
  std::vector<BucketStart> live;
  for (const auto* starts : {&checkpoint_.starts, &pending_starts_}) {
    std::copy_if(starts->begin(), starts->end(), std::back_inserter(live),
                 [&](const BucketStart& start) { return start.bucket >= oldest; });
  }
  return live;
}

NextOffset SeenIndex::rebuild_from(NextOffset next, StreamTime time) const {
  const std::vector<BucketStart> live = live_starts(time);
  if (live.empty() || !is_below(live.front().first, next)) {
    return next;
  }
  return NextOffset(live.front().first.value());
}

}  // namespace weir
