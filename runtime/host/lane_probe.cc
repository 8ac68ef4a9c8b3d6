#include "host/lane_probe.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "text/quantity.h"

namespace weir {

namespace {
constexpr std::chrono::seconds kDeadLettersLoggedEvery{10};
// More than clocks of one cluster differ by.
constexpr std::chrono::hours kAheadMax{1};
}  // namespace

std::string committed_text(const std::vector<PartitionStatus>& partitions) {
  constexpr std::size_t kNamedMax = 32;
  const std::size_t named = std::min(partitions.size(), kNamedMax);
  std::vector<std::string> each;
  for (std::size_t i = 0; i < named; ++i) {
    const PartitionStatus& p = partitions[i];
    each.push_back(fmt::format("{}/{}: {}", p.topic, p.partition.value(), p.committed.value()));
  }
  if (partitions.size() > named) {
    each.push_back(fmt::format("and {} more", partitions.size() - named));
  }
  return fmt::format("{}", fmt::join(each, ", "));
}

std::string waiting_text(const LaneStatus& lane, std::chrono::system_clock::time_point since) {
  const auto all = std::ssize(lane.partitions);
  const auto restoring =
      std::count_if(lane.partitions.begin(), lane.partitions.end(),
                    [](const PartitionStatus& p) { return p.phase == PartitionPhase::restoring; });
  const std::string when = "since " + rfc3339(since);
  return all == 0        ? "joining the group " + when
         : restoring > 0 ? fmt::format("restoring its state {}, {} of {} partitions done", when,
                                       all - restoring, all)
                         : "not ready " + when;
}

LaneProbe::LaneProbe(Metrics& metrics, int lane, std::vector<Input> inputs, const Log& log)
    : MetricsProbe(metrics, lane, inputs),
      lane_name_(std::to_string(lane)),
      inputs_(std::move(inputs)),
      log_(log) {}

void LaneProbe::partition_assigned(InputPartition where, PartitionPhase phase, NextOffset from,
                                   NextOffset committed, StreamTime time) {
  MetricsProbe::partition_assigned(where, phase, from, committed, time);
  log_.info(phase == PartitionPhase::restoring ? "partition assigned, restoring its state"
                                               : "partition assigned",
            {{"lane", lane_name_},
             {"partition", text(where)},
             {"from", std::to_string(from.value())},
             {"committed", std::to_string(committed.value())}});
}

void LaneProbe::foreign_offset_taken(InputPartition where, NextOffset next) {
  log_.warning("reading on from an offset that was not set by weir",
               {{"lane", lane_name_},
                {"partition", text(where)},
                {"committed", std::to_string(next.value())}});
}

void LaneProbe::partition_restored(InputPartition where, NextOffset committed) {
  MetricsProbe::partition_restored(where, committed);
  log_.info("partition restored", {{"lane", lane_name_},
                                   {"partition", text(where)},
                                   {"committed", std::to_string(committed.value())}});
}

void LaneProbe::partitions_revoked(bool lost) {
  log_.info(lost ? "partitions lost" : "partitions revoked",
            {{"lane", lane_name_}, {"committed", committed_text(partitions())}});
  MetricsProbe::partitions_revoked(lost);
}

void LaneProbe::record_dead_lettered(const Origin& origin, std::string_view reason,
                                     std::string_view message) {
  MetricsProbe::record_dead_lettered(origin, reason, message);
  if (first_dead_letter_.empty()) {
    first_dead_letter_ = fmt::format("{} offset {}: {}: {}", text(origin.where),
                                     origin.offset.value(), reason, message);
  }
}

void LaneProbe::turn_committed(const TurnCounts& counts, std::chrono::nanoseconds age) {
  MetricsProbe::turn_committed(counts, age);
  dead_letters_ += counts.dead_letters;
  const auto now = std::chrono::steady_clock::now();
  if (dead_letters_ > 0 && now - dead_letters_logged_ >= kDeadLettersLoggedEvery) {
    log_.warning("records set aside as dead letters", {{"lane", lane_name_},
                                                       {"count", std::to_string(dead_letters_)},
                                                       {"first", first_dead_letter_}});
    dead_letters_ = 0;
    first_dead_letter_.clear();
    dead_letters_logged_ = now;
  }
  log_.debug("turn committed", {{"lane", lane_name_},
                                {"records", std::to_string(counts.records_in)},
                                {"outputs", std::to_string(counts.outputs)}});
}

void LaneProbe::offset_committed(InputPartition where, NextOffset committed, StreamTime time) {
  MetricsProbe::offset_committed(where, committed, time);
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now())
                       .time_since_epoch();
  if (time.value() <= (now + kAheadMax).count() ||
      std::find(ahead_.begin(), ahead_.end(), where) != ahead_.end()) {
    return;
  }
  ahead_.push_back(where);
  log_.warning(
      "stream time is ahead of this machine's clock: a record was stamped so, by a wrong clock "
      "most likely. What lies further back than a dedup window, by that time, was forgotten at "
      "once: repeats and retries of it are emitted again. And stream time stands still until "
      "records are stamped later than that: till then no dedup window ends, and outputs are "
      "stamped with it. Mend the clock, and begin behind such records with a new version and "
      "`start: latest`",
      {{"lane", lane_name_},
       {"partition", text(where)},
       {"stream_time_ms", std::to_string(time.value())},
       {"ahead_s", std::to_string((time.value() - now.count()) / 1000)}});
}

void LaneProbe::end_seen(InputPartition where, NextOffset end) {
  MetricsProbe::end_seen(where, end);
  const auto since = blocked_since(where);
  if (!since) {
    blocked_.erase(where);
    return;
  }
  if (!blocked_.insert(where).second) {
    return;
  }
  log_.warning("blocked: a transaction that another producer left open hides what follows",
               {{"lane", lane_name_},
                {"partition", text(where)},
                {"from", std::to_string(end.value())},
                {"since", rfc3339(*since)}});
}

void LaneProbe::turn_aborted(std::string_view why) {
  MetricsProbe::turn_aborted(why);
  if (dead_letters_ == 0) {
    first_dead_letter_.clear();  // if it was of this turn
  }
  log_.warning("turn aborted, its records are read again",
               {{"lane", lane_name_}, {"why", std::string(why)}});
}

void LaneProbe::producer_recreated(std::string_view reason, std::string_view why) {
  MetricsProbe::producer_recreated(reason, why);
  log_.warning("producer recreated",
               {{"lane", lane_name_}, {"reason", std::string(reason)}, {"why", std::string(why)}});
}

void LaneProbe::consumer_rejoined(std::string_view reason, std::string_view why) {
  log_.warning("consumer joins again", {{"lane", lane_name_},
                                        {"reason", std::string(reason)},
                                        {"why", std::string(why)},
                                        {"committed", committed_text(partitions())}});
  MetricsProbe::consumer_rejoined(reason, why);
}

void LaneProbe::state_wiped(InputPartition where, std::string_view why) {
  MetricsProbe::state_wiped(where, why);
  log_.warning("local state is rebuilt from the log",
               {{"lane", lane_name_}, {"partition", text(where)}, {"why", std::string(why)}});
}

std::string LaneProbe::text(InputPartition where) const {
  return fmt::format("{}/{}", inputs_[where.input.value()].topic, where.partition.value());
}

}  // namespace weir
