// What happens in a lane, for Prometheus and for the log.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "host/log.h"
#include "http/metrics_probe.h"
#include "loop/probe.h"

namespace weir {

// Where each partition stands, "topic/partition: committed offset"; of many, the first few dozen.
std::string committed_text(const std::vector<PartitionStatus>& partitions);

// What a lane waits for that meets no obstacle and isn't ready since then.
std::string waiting_text(const LaneStatus& lane, std::chrono::system_clock::time_point since);

// Counts everything, as MetricsProbe does, and logs what a person looks for: assignment, restoring,
// whatever was recovered from, the committed offsets of what it owned no longer, dead letters in
// sum, that a transaction of another producer blocks the reading, and once per partition a stream
// time that lies far ahead of this machine's clock. On the lane's thread.
class LaneProbe final : public MetricsProbe {
 public:
  LaneProbe(Metrics& metrics, int lane, std::vector<Input> inputs, const Log& log);

  // The lane's thread comes by.
  void beat() { last_beat_ = std::chrono::steady_clock::now(); }

  // When it last did, or began to ask the brokers something. Any thread.
  std::chrono::steady_clock::time_point last_beat() const { return last_beat_; }

  void brokers_asked() override { beat(); }

  void partition_assigned(InputPartition where, PartitionPhase phase, NextOffset from,
                          NextOffset committed, StreamTime time) override;
  void foreign_offset_taken(InputPartition where, NextOffset next) override;
  void partition_restored(InputPartition where, NextOffset committed) override;
  void partitions_revoked(bool lost) override;
  void record_dead_lettered(const Origin& origin, std::string_view reason,
                            std::string_view message) override;
  void turn_committed(const TurnCounts& counts, std::chrono::nanoseconds age) override;
  void offset_committed(InputPartition where, NextOffset committed, StreamTime time) override;
  void end_seen(InputPartition where, NextOffset end) override;
  void turn_aborted(std::string_view why) override;
  void producer_recreated(std::string_view reason, std::string_view why) override;
  void consumer_rejoined(std::string_view reason, std::string_view why) override;
  void state_wiped(InputPartition where, std::string_view why) override;

 private:
  std::string text(InputPartition where) const;

  std::atomic<std::chrono::steady_clock::time_point> last_beat_{std::chrono::steady_clock::now()};
  const std::string lane_name_;
  const std::vector<Input> inputs_;
  const Log& log_;
  // Dead letters of committed turns since they were last logged, and the first of them or, as long
  // as there are none, of the turn that is under way.
  std::uint64_t dead_letters_ = 0;
  std::string first_dead_letter_;
  std::chrono::steady_clock::time_point dead_letters_logged_{};
  std::vector<InputPartition> ahead_;  // those whose stream time was said to be ahead
  std::set<InputPartition> blocked_;   // those that were said to be
};

}  // namespace weir
