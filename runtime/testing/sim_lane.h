// A deployment's lane over the simulated Kafka: the real loop, codec and stage, no broker, no disk.
// What the drivers and the command `try` are made of.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "assembly/lane_plan.h"
#include "config/deployment.h"
#include "loop/loop.h"
#include "testing/lane_lab.h"
#include "testing/sim_kafka.h"

namespace weir {

// A file with a deployment's configuration.
struct ConfigFile {
  std::string path;
};

// A deployment as a test names it. A text may leave out `stage:`; paths in it are relative to the
// folder config/. The environment's variables don't count: only the text or the file does.
struct Deployed {
  StageSpec spec;
  std::variant<std::string, ConfigFile> config;
};

// A deployment that was read and planned.
struct SimDeployment {
  StageSpec spec;
  config::Deployment deployment;
  LanePlan plan;

  // Of the records of an output; nullptr: bytes. Without a type of its own an output has the only
  // input's.
  const google::protobuf::Descriptor* output_type(std::size_t output) const;

  // Fails as config::load and plan_lane do.
  static Result<SimDeployment> load(const Deployed& deployed);
};

// What became of the records of committed turns.
struct SimCounts {
  TurnCounts turns;
  std::map<std::string, std::uint64_t> dropped;  // by reason
};

// Counts what is committed; what an aborted turn did is not in it.
class CountingProbe : public Probe {
 public:
  explicit CountingProbe(SimCounts& counts) : counts_(counts) {}

  void record_dropped(std::string_view reason) override { ++dropped_[std::string(reason)]; }

  void turn_committed(const TurnCounts& turn, std::chrono::nanoseconds age) override;

  void turn_aborted(std::string_view /*why*/) override { dropped_.clear(); }

 private:
  SimCounts& counts_;
  std::map<std::string, std::uint64_t> dropped_;  // of the open turn
};

class SimLane {
 public:
  // What a lane works with. Borrowed; outlives it.
  struct Parts {
    SimKafka& kafka;
    SegmentStores& stores;
    Clock& clock;
    Probe& probe;
    SimFaults faults = {};
    UnknownFieldListener on_unknown_field = {};
  };

  // `settings` may differ from the plan's in its limits. `deployment` is borrowed. Fails when the
  // stage can't be made.
  static Result<std::unique_ptr<SimLane>> make(const SimDeployment& deployment,
                                               const LaneSettings& settings, const Parts& parts);

  // Leaves as a killed process does: the open turn is never committed.
  ~SimLane() = default;
  SimLane(const SimLane&) = delete;
  SimLane& operator=(const SimLane&) = delete;

  // Advances the loop. A stop is returned, other failures are recovered from by the calls that
  // follow.
  Status step();

  // Commits the open turn and leaves the group. Not ok: repeat after step().
  Status drain();

  // All that is in its input topics is committed.
  bool is_at_end() const;

  // Records of its input topics that are not committed; control records count.
  std::int64_t lag() const;

 private:
  SimLane(const SimDeployment& deployment, const Parts& parts);

  const SimDeployment& deployment_;
  SimKafka& kafka_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<DeathLedger> deaths_;
  std::unique_ptr<LaneCodec> codec_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<Loop> loop_;
};

// Creates the topics of a plan that `kafka` lacks. Outputs take what a broker's default is, inputs
// and dead letters anything.
void create_topics(SimKafka& kafka, const LanePlan& plan, std::int32_t partitions);

}  // namespace weir
