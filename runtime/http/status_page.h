// What a process says about itself to people, programs and probes: pure functions of one struct.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/endpoint.h"
#include "loop/probe.h"

namespace weir {

enum class ProcessState : std::uint8_t {
  starting,
  waiting,    // for the brokers, or for partitions
  restoring,  // local state, from the log
  running,
  draining,
  failed
};

inline constexpr std::array kProcessStates{ProcessState::starting,  ProcessState::waiting,
                                           ProcessState::restoring, ProcessState::running,
                                           ProcessState::draining,  ProcessState::failed};

std::string_view name_of(ProcessState state);

struct PartitionStatus {
  std::string input;  // the stage's word for it
  std::string topic;
  Partition partition;
  PartitionPhase phase = PartitionPhase::running;
  NextOffset committed;
  // nullopt: not seen yet, or the brokers don't answer; and so are the two below.
  std::optional<NextOffset> end{};
  std::optional<std::int64_t> lag_records{};
  std::optional<double> lag_seconds{};
  // All that a read_committed reader may see is done since then, and still more lies behind it: a
  // transaction of another producer is open. nullopt: no, or not yet for a minute.
  std::optional<std::chrono::system_clock::time_point> blocked_since{};
};

struct LaneStatus {
  int index = 0;
  std::string state;  // "unassigned", "restoring", "running"
  std::vector<PartitionStatus> partitions;
  std::string last_error;  // empty: none yet
  std::optional<std::chrono::system_clock::time_point> last_error_at;
};

// Of committed turns, since the process started.
struct DeadLetterStatus {
  std::uint64_t count = 0;
  std::string reason;  // the most frequent; empty: there are none
  std::string topic;
  std::uint64_t records_in = 0;  // among which they were
  // When the turns were committed that made the first and the last; nullopt: there are none.
  std::optional<std::chrono::system_clock::time_point> first_at{};
  std::optional<std::chrono::system_clock::time_point> last_at{};
};

struct ProcessStatus {
  std::string deployment;
  int version = 1;        // of the deployment, as in its topics
  std::string build;      // of the program
  std::string bootstrap;  // empty: not known yet
  std::chrono::system_clock::time_point started;
  ProcessState state = ProcessState::starting;
  bool ready = false;
  std::vector<std::string> reasons;  // why it is not ready
  DeadLetterStatus dead_letters;
  std::vector<LaneStatus> lanes;
};

// `/status.json`
Response status_document(const ProcessStatus& status);

// `/`: one page without scripts or external assets, which reloads itself.
Response status_page(const ProcessStatus& status);

// `/-/healthy`: 200 unless the process has failed. Kafka has no part in it, or a broker's outage
// would restart the fleet.
Response health_check(const ProcessStatus& status);

// `/-/ready`: 200, or 503 with the reasons.
Response ready_check(const ProcessStatus& status);

}  // namespace weir
