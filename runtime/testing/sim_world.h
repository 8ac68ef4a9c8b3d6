// A machine with its broker, simulated: deployments chained by their topics, one lane each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "testing/memory_store.h"
#include "testing/sim_kafka.h"
#include "testing/sim_lane.h"

namespace weir {

// Deployments run in the given order, each until nothing is left for it, so that what one of
// several inputs holds doesn't depend on the size of batches. One thread.
class SimWorld {
 public:
  struct Options {
    std::int32_t partitions = 1;
    // Instead of the limits' own.
    std::optional<std::size_t> batch_records_max;
    SimFaults faults;
  };

  // `deployments` are borrowed.
  SimWorld(std::span<const SimDeployment> deployments, const Options& options);

  SimKafka& kafka() { return kafka_; }

  const SimKafka& kafka() const { return kafka_; }

  const SimCounts& counts(std::size_t deployment) const { return places_[deployment].counts; }

  void advance(std::chrono::milliseconds by) { clock_.advance(by); }

  // Until nothing moves. A stop of a lane is returned with its deployment's id; so is a lane that
  // goes on without getting on.
  Status run();

  // As run, then every lane is told to end. The next run() begins with new objects.
  Status drain();

  // Every lane processes what is there and dies before it commits.
  Status crash();

  // As crash of what is there now, without processing anything.
  void die();

  // Local state is gone. No lane may be running: drain, crash or die first.
  void lose_disks();

 private:
  struct Place {
    const SimDeployment* deployment = nullptr;
    LaneSettings settings;
    std::unique_ptr<MemoryStores> disk = std::make_unique<MemoryStores>();
    SimCounts counts;
    std::unique_ptr<CountingProbe> probe;
    std::unique_ptr<SimLane> lane;
  };

  Status start(Place& place);
  Status run(Place& place);

  const SimFaults faults_;
  SimKafka kafka_;
  ManualClock clock_;
  std::vector<Place> places_;
};

}  // namespace weir
