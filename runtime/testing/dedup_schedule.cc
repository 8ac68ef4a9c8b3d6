#include "testing/dedup_schedule.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "dedup/seen_index.h"
#include "dedup/stream_time.h"

namespace weir {
namespace {

struct Entry {
  Offset offset;
  Timestamp timestamp;
  std::optional<int> key;
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  // Of [low, high].
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }

  bool one_in(int n) { return pick(1, n) == 1; }

 private:
  std::mt19937_64 engine_;
};

DedupWindow random_window(Random& random) {
  const auto buckets = static_cast<std::int32_t>(random.pick(1, 5));
  return {.length = std::chrono::milliseconds(random.pick(buckets, 200)), .buckets = buckets};
}

std::vector<Entry> random_log(Random& random, DedupWindow window, int records) {
  const std::int64_t length = window.length.count();
  const std::int64_t step = std::max<std::int64_t>(1, length / random.pick(2, 40));
  const std::int64_t keys = random.pick(2, 25);
  std::int64_t clock = random.one_in(3) ? 0 : random.pick(1, 10 * length);
  std::int64_t offset = random.pick(0, 5);
  std::vector<Entry> log;
  for (int i = 0; i < records; ++i) {
    std::int64_t stamp = clock += random.pick(0, step);
    switch (random.pick(0, 19)) {
      case 0:
        stamp = clock += random.pick(0, 3 * length);
        break;
      case 1:
      case 2:
        stamp = clock - random.pick(0, 2 * length);
        break;
      case 3:
        stamp = 0;
        break;
      case 4:
        stamp = random.one_in(2) ? -random.pick(1, 5 * length)
                                 : std::numeric_limits<std::int64_t>::min();
        break;
      default:
        break;
    }
    std::optional<int> key;
    if (!random.one_in(5)) {
      key = static_cast<int>(random.pick(1, keys));
    }
    log.push_back({.offset = Offset(offset), .timestamp = Timestamp(stamp), .key = key});
    offset += random.one_in(8) ? random.pick(2, 4) : 1;
  }
  return log;
}

// The rule as it is written down, record against record.
class Rule {
 public:
  Rule(const std::vector<Entry>& log, DedupWindow window) : log_(log), window_(window) {
    std::int64_t time = 0;
    for (const Entry& entry : log) {
      if (entry.timestamp.value() > time) {
        time = entry.timestamp.value();
      }
      times_.push_back(time);
    }
    for (std::size_t at = 0; at < log.size(); ++at) {
      kinds_.push_back(judge(at));
    }
  }

  // `expired`: its key was there before, longer ago than the window.
  enum class Kind { fresh, duplicate, expired };

  Kind kind(std::size_t at) const { return kinds_[at]; }

  // The first record below `next` in a bucket live at T(next); else next.
  NextOffset rebuild_from(NextOffset next) const {
    std::int64_t time = 0;
    for (std::size_t i = 0; i < log_.size() && is_below(log_[i].offset, next); ++i) {
      time = times_[i];
    }
    for (std::size_t i = 0; i < log_.size() && is_below(log_[i].offset, next); ++i) {
      if (is_live(i, time)) {
        return NextOffset(log_[i].offset.value());
      }
    }
    return next;
  }

 private:
  Kind judge(std::size_t at) const {
    Kind kind = Kind::fresh;
    for (std::size_t before = 0; log_[at].key && before < at; ++before) {
      if (log_[before].key == log_[at].key) {
        if (is_live(before, times_[at])) {
          return Kind::duplicate;
        }
        kind = Kind::expired;
      }
    }
    return kind;
  }

  bool is_live(std::size_t before, std::int64_t time) const {
    return bucket(times_[before]) >= bucket(time) - window_.buckets;
  }

  std::int64_t bucket(std::int64_t time) const {
    return time * window_.buckets / window_.length.count();
  }

  const std::vector<Entry>& log_;
  DedupWindow window_;
  std::vector<std::int64_t> times_;
  std::vector<Kind> kinds_;
};

// A lane's partition, and the part of Kafka that outlives it.
class Life {
 public:
  Life(const DedupSchedule& schedule, SegmentStores& stores, DedupScheduleCounts& counts)
      : schedule_(schedule),
        stores_(stores),
        counts_(counts),
        random_(schedule.seed),
        window_(random_window(random_)),
        log_(random_log(random_, window_, schedule.records)),
        rule_(log_, window_),
        committed_(log_.front().offset.value()),
        rebuild_from_(committed_) {
    identity_.topic = "schedule";
    identity_.window_ms = window_.length.count();
    identity_.window_buckets = window_.buckets;
  }

  std::string run() {
    Status status = stores_.wipe(identity_);
    if (status.is_ok()) {
      status = open();
    }
    while (status.is_ok() && difference_.empty() && !is_below(log_.back().offset, committed_)) {
      status = turn();
    }
    index_.reset();
    if (status.is_ok()) {
      status = stores_.wipe(identity_);
    }
    return status.is_ok() ? difference_ : status.message();
  }

 private:
  Status turn() {
    const std::size_t first = at_;
    WEIR_TRY(read_batches());
    if (random_.one_in(6)) {
      // The client delivers the turn's records again; the loop takes the clock back.
      ++counts_.rereads;
      const std::size_t read = at_;
      at_ = first;
      rewind_clock();
      while (at_ < read) {
        WEIR_TRY(read_batch(read - at_));
      }
    }
    if (!is_doomed_ && random_.one_in(4)) {
      ++counts_.aborts;
      index_->discard();
      rewind_clock();
      at_ = first;
      return Status::ok();
    }
    if (random_.one_in(12)) {
      return crash();
    }
    commit_to_kafka();
    if (!is_doomed_ && random_.one_in(10)) {
      // From here on nothing more reaches the disk, which a crash will bring to light.
      is_doomed_ = true;
      turns_left_ = random_.pick(0, 3);
    }
    if (is_doomed_) {
      clock_.commit();
      return turns_left_-- == 0 ? crash() : Status::ok();
    }
    WEIR_TRY(index_->commit(committed_, clock_.now()));
    clock_.commit();
    return Status::ok();
  }

  Status read_batches() {
    for (std::int64_t batches = random_.pick(1, 3); batches > 0; --batches) {
      WEIR_TRY(read_batch(static_cast<std::size_t>(random_.pick(1, 12))));
    }
    return Status::ok();
  }

  Status read_batch(std::size_t records_max) {
    std::vector<Sighting> sightings;
    const std::size_t first = at_;
    for (; at_ < log_.size() && sightings.size() < records_max; ++at_) {
      const Entry& entry = log_[at_];
      std::optional<KeyHash> hash;
      if (entry.key) {
        hash = hash_of(std::to_string(*entry.key));
      }
      sightings.push_back(
          {.offset = entry.offset, .time = clock_.observe(entry.timestamp), .hash = hash});
    }
    std::vector<Verdict> verdicts(sightings.size(), Verdict::fresh);
    WEIR_TRY(index_->see(sightings, verdicts));
    for (std::size_t i = 0; i < sightings.size(); ++i) {
      if (!is_below(sightings[i].offset, committed_)) {
        check(first + i, verdicts[i] == Verdict::duplicate);
      }
    }
    return Status::ok();
  }

  void check(std::size_t at, bool is_duplicate) {
    const bool expected = rule_.kind(at) == Rule::Kind::duplicate;
    counts_.duplicates += expected ? 1 : 0;
    counts_.expired += rule_.kind(at) == Rule::Kind::expired ? 1 : 0;
    if (is_duplicate != expected && difference_.empty()) {
      difference_ =
          fmt::format("seed {}: the record at offset {} is {}, the index says {}", schedule_.seed,
                      log_[at].offset.value(), expected ? "a duplicate" : "fresh",
                      is_duplicate ? "duplicate" : "fresh");
    }
  }

  void commit_to_kafka() {
    committed_ = position();
    rebuild_from_ = index_->rebuild_from(committed_, clock_.now());
    const NextOffset expected = rule_.rebuild_from(committed_);
    if (schedule_.checks_rebuild_from && rebuild_from_ != expected && difference_.empty()) {
      difference_ =
          fmt::format("seed {}: at {} the index can be rebuilt from {}, it says {}", schedule_.seed,
                      committed_.value(), expected.value(), rebuild_from_.value());
    }
  }

  // Past control records as often as not.
  NextOffset position() {
    const NextOffset read =
        at_ == 0 ? NextOffset(log_.front().offset.value()) : next(log_[at_ - 1].offset);
    return at_ < log_.size() && random_.one_in(2) ? NextOffset(log_[at_].offset.value())
                                                  : std::max(read, committed_);
  }

  Status crash() {
    ++counts_.crashes;
    index_.reset();
    is_doomed_ = false;
    if (schedule_.lose_writes && random_.one_in(3)) {
      schedule_.lose_writes(static_cast<std::size_t>(random_.pick(1, 3)));
    }
    if (random_.one_in(4)) {
      ++counts_.disks_lost;
      WEIR_TRY(stores_.wipe(identity_));
    }
    return open();
  }

  // As the loop does at assignment: what the disk lacks is read from the log again.
  Status open() {
    WEIR_TRY(open_index());
    if (index_->covered() < rebuild_from_ && random_.one_in(2)) {
      index_.reset();
      WEIR_TRY(stores_.wipe(identity_));
      WEIR_TRY(open_index());
    }
    if (index_->covered() > committed_) {
      difference_ = fmt::format("seed {}: the index is ahead of Kafka", schedule_.seed);
      return Status::ok();
    }
    clock_ = StreamClock(index_->time());
    counts_.behind += index_->covered() < committed_ ? 1 : 0;
    at_ = index_of(index_->covered());
    const std::size_t end = index_of(committed_);
    while (at_ < end) {
      WEIR_TRY(read_batch(std::min(end - at_, static_cast<std::size_t>(random_.pick(1, 12)))));
      if (random_.one_in(3)) {
        WEIR_TRY(index_->commit(next(log_[at_ - 1].offset), clock_.now()));
        clock_.commit();
      }
    }
    WEIR_TRY(index_->commit(committed_, clock_.now()));
    clock_.commit();
    return Status::ok();
  }

  Status open_index() {
    WEIR_TRY_ASSIGN(std::unique_ptr<SegmentStore> store, stores_.open(identity_));
    WEIR_TRY_ASSIGN(index_, SeenIndex::open(window_, std::move(store), rebuild_from_));
    return Status::ok();
  }

  std::size_t index_of(NextOffset position) const {
    return static_cast<std::size_t>(
        std::count_if(log_.begin(), log_.end(),
                      [&](const Entry& entry) { return is_below(entry.offset, position); }));
  }

  void rewind_clock() {
    if (schedule_.rewinds_clock) {
      clock_.rewind();
    }
  }

  const DedupSchedule& schedule_;
  SegmentStores& stores_;
  DedupScheduleCounts& counts_;
  Random random_;
  DedupWindow window_;
  std::vector<Entry> log_;
  Rule rule_;
  StoreIdentity identity_;

  // What Kafka keeps.
  NextOffset committed_;
  NextOffset rebuild_from_;

  std::unique_ptr<SeenIndex> index_;
  StreamClock clock_;
  std::size_t at_ = 0;  // of the log, to be read next
  bool is_doomed_ = false;
  std::int64_t turns_left_ = 0;
  std::string difference_;
};

}  // namespace

std::string run_dedup_schedule(const DedupSchedule& schedule, SegmentStores& stores,
                               DedupScheduleCounts& counts) {
  return Life(schedule, stores, counts).run();
}

}  // namespace weir
