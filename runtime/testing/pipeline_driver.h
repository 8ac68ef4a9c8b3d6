// Stages chained by their topics, without a broker: records in, records out. For the tests of
// stages; the loop, the codec and the dedup are the real ones.
//
// Everything is run twice, in two worlds that differ in nothing that a stage may depend on (sizes
// of batches and turns). Outputs that differ are a failure: the stage isn't a pure function.
//
// A call that can't do what it is asked throws TestFailure, which GoogleTest reports as the failure
// of the test: a wrong configuration, a lane that stops, a name that doesn't exist, bytes that are
// not the message asked for, worlds that differ.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <google/protobuf/message.h>

#include "testing/sim_world.h"

namespace weir {

class TestFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using TextHeaders = std::vector<std::pair<std::string, std::optional<std::string>>>;

// A record that a test sends.
struct Piped {
  std::optional<std::string> key = {};
  std::optional<std::string> value = {};  // nullopt: a tombstone
  TextHeaders headers = {};
  std::optional<Timestamp> timestamp = {};  // nullopt: the driver's time
  Partition partition = {};
};

// A record that came out.
struct Arrived {
  std::string key;  // empty also where there is none
  std::string value;
  TextHeaders headers;
  Timestamp timestamp;
  Partition partition;
};

struct DeadLettered {
  std::string reason;
  std::string message;
  Arrived record;  // headers: all, weir's own included
};

class PipelineDriver {
 public:
  explicit PipelineDriver(const std::vector<Deployed>& deployed, std::int32_t partitions = 1);
  ~PipelineDriver();
  PipelineDriver(const PipelineDriver&) = delete;
  PipelineDriver& operator=(const PipelineDriver&) = delete;

  // ---- in ----
  // `to` is an input's name, where only one deployment has it, a topic, or a dataset. Nothing is
  // processed before run() or a question.

  void pipe(std::string_view to, const Piped& record);

  // The value as it is, without a key.
  void pipe(std::string_view to, std::string_view value);

  // As the input reads it: as JSON or as protobuf's wire bytes. `record` has the rest.
  void pipe(std::string_view to, const google::protobuf::Message& message, Piped record = {});

  // Until nothing moves.
  void run();

  // ---- out ----
  // Each runs first. `from` is an output's name, where only one deployment has it, a topic, or a
  // dataset. Everything since the beginning, by partition, then in order.

  template <class M>
  std::vector<M> read_all(std::string_view from) {
    std::vector<M> messages;
    for (const Arrived& record : read_records(from)) {
      parse(from, record.value, messages.emplace_back());
    }
    return messages;
  }

  std::vector<Arrived> read_records(std::string_view from);

  // Values as JSON where the type is known, else as they are.
  std::vector<std::string> read_json(std::string_view from);

  // Of one deployment by its id (`ingest-comments`), or of all.
  std::vector<DeadLettered> dead_letters(std::string_view deployment = {});
  SimCounts counts(std::string_view deployment = {});

  // ---- what happens to it ----

  // Moves the clock and the timestamp of what is piped later.
  void advance(std::chrono::milliseconds by);

  // Runs, ends as if told to, begins anew on the same disks.
  void restart();

  // Processes what is there, dies before it commits, begins anew on the same disks.
  void crash();

  // As crash, and local state is lost with the machine.
  void lose_disk();

 private:
  struct Ends;

  const Ends& input(std::string_view to) const;
  const Ends& output(std::string_view from) const;
  void each(const std::function<Status(SimWorld&)>& action);
  void compare() const;
  static void parse(std::string_view from, const std::string& value,
                    google::protobuf::Message& message);

  std::vector<SimDeployment> deployments_;
  std::vector<Ends> inputs_;
  std::vector<Ends> outputs_;  // without dead letters
  std::vector<std::unique_ptr<SimWorld>> worlds_;
  Timestamp time_;
  std::int32_t partitions_;
};

// A message's bytes as JSON for people; the bytes' number where they aren't the message.
std::string shown(const google::protobuf::Descriptor* descriptor, const std::string& value);

}  // namespace weir
