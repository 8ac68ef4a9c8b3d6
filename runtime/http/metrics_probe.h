// What happens in the lanes, counted and shown in Prometheus' text format. The catalogue, one row
// per metric, is in the .cc file; METRICS.md is made from it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/status_page.h"
#include "loop/probe.h"

namespace weir {

// The metrics of one process. Any thread; outlives its probes.
class Metrics {
 public:
  struct Identity {
    std::string deployment;
    int version = 1;
    std::string build{};  // the version of the program
    std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
  };

  explicit Metrics(Identity identity);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  ~Metrics();

  void set_state(ProcessState state);
  void count_invariant_violation();

  // Text format 0.0.4.
  Response exposition() const;

  // Of all committed turns of this process so far.
  TurnCounts totals() const;

  // What those turns set aside; without the topic.
  DeadLetterStatus dead_letters() const;

  // What the lanes do now, by index.
  std::vector<LaneStatus> lanes() const;

 private:
  friend class MetricsProbe;
  struct Lane;
  struct Process;

  std::unique_ptr<Process> process_;
};

// One lane's share, from construction to destruction; its counts stay in the totals after that.
// Records without locks, except when partitions come and go or an error is noted.
class MetricsProbe : public Probe {
 public:
  struct Input {
    std::string name;
    std::string topic;
  };

  // `inputs` in the order of the lane's settings.
  MetricsProbe(Metrics& metrics, int lane, std::vector<Input> inputs);
  ~MetricsProbe() override;

  void partition_assigned(InputPartition where, PartitionPhase phase, NextOffset from,
                          NextOffset committed, StreamTime time) override;
  void partition_restored(InputPartition where, NextOffset committed) override;
  void partitions_revoked(bool lost) override;
  void step_took(Step step, std::chrono::nanoseconds time) override;
  void record_dead_lettered(const Origin& origin, std::string_view reason,
                            std::string_view message) override;
  void record_dropped(std::string_view reason) override;
  void turn_committed(const TurnCounts& counts, std::chrono::nanoseconds age) override;
  void turn_aborted(std::string_view why) override;
  void offset_committed(InputPartition where, NextOffset committed, StreamTime time) override;
  void end_seen(InputPartition where, NextOffset end) override;
  void end_remembered(InputPartition where, NextOffset end) override;
  void producer_recreated(std::string_view reason, std::string_view why) override;
  void consumer_rejoined(std::string_view reason, std::string_view why) override;
  void state_wiped(InputPartition where, std::string_view why) override;

  // Those that the lane owns now.
  std::vector<PartitionStatus> partitions() const;

  // As PartitionStatus'. On the lane's thread, and so is the one below.
  std::optional<std::chrono::system_clock::time_point> blocked_since(InputPartition where) const;

  // It owns some, restoring or not.
  bool has_partitions() const;

  // While the brokers are cut off nobody knows where a log ends: neither end nor lag is shown.
  void set_cut_off(bool is_cut_off);

 private:
  Metrics::Process& process_;
  std::shared_ptr<Metrics::Lane> lane_;
};

// The catalogue as Markdown; METRICS.md holds it.
std::string metrics_reference();

}  // namespace weir
