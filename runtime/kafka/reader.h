// Reads a topic from somewhere on, committed records only, as no member of any group.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "kafka/client_settings.h"
#include "loop/io.h"

namespace weir {

class Client;

struct ReadFrom {
  enum class Kind { earliest, latest, offset, timestamp };

  Kind kind = Kind::earliest;
  std::int64_t value = 0;  // the offset, in every partition; or milliseconds since the epoch
};

// One thread. Batches must be gone before the reader is.
class KafkaReader {
 public:
  KafkaReader(ClusterSettings cluster, std::string topic);
  ~KafkaReader();

  // Asks where the partitions begin and end now, and starts. An offset below the log's start begins
  // there, one beyond its end at the end. stop(config): no such topic.
  Status open(ReadFrom from);

  // As Source::poll; every record's input is 0.
  Result<Batch> poll(std::chrono::milliseconds wait_max, std::size_t records_max);

  // Everything that could be read at open() has been delivered.
  bool has_reached_end() const { return unread_.empty(); }

  // What a partition holds by now and nobody can read yet, for a transaction that is open.
  struct Hidden {
    Partition partition;
    NextOffset from;
    NextOffset end;
  };

  // After open: asks the brokers, of each partition.
  Result<std::vector<Hidden>> hidden() const;

 private:
  Status start(ReadFrom from);

  const ClusterSettings cluster_;
  const std::string topic_;
  std::unique_ptr<Client> client_;
  std::int32_t partitions_ = 0;
  std::vector<Position> unread_;  // partitions not read up to the end they had at open()
};

}  // namespace weir
