// One librdkafka client: its configuration, its callbacks' state, its bounded end. Private to this
// folder.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/client_settings.h"
#include "kafka/handles.h"
#include "kafka/resend_ledger.h"
#include "weir/status.h"

namespace weir {

class Client {
 public:
  struct Callbacks {
    // Served within our own calls, on the caller's thread.
    std::function<void(const rd_kafka_message_t&)> delivered;
    std::function<void(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*)> rebalanced;
  };

  // `own` overrides the settings' pass-through properties. Connects to nothing yet.
  static Result<std::unique_ptr<Client>> make(rd_kafka_type_t type, const ClusterSettings& cluster,
                                              const std::vector<Property>& own,
                                              Callbacks callbacks = {});

  // Leaves the group, if any, and destroys the client: on a thread of its own, because 2.0.2 may
  // hang there; after 5 s it is left behind. No callback runs once this began.
  ~Client();

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  rd_kafka_t* get() const { return client_; }

  // Some broker answered since all of them were down.
  bool is_reachable() const { return shared_->is_reachable; }

  // When a request was last answered without an error; before that, when the client was made.
  std::chrono::steady_clock::time_point last_answer() const { return shared_->last_answer; }

  // librdkafka's last complaint, for messages about things that take too long; may be empty.
  std::string last_trouble() const;

  // The cluster refuses our credentials: a connection ended with that, and nothing was answered
  // since. A producer learns of it here, by a poll; a consumer by its own.
  bool is_refused() const;

  const std::string& bootstrap() const { return bootstrap_; }

  // A setting of the client as it came to be; empty: it has none of that name.
  std::string property(const std::string& name) const;

  ResendLedger& ledger() { return shared_->ledger; }

 private:
  // Outlives the client when that is left behind.
  struct Shared {
    Callbacks callbacks;
    std::function<void(int, std::string_view)> log;
    std::atomic<bool> is_reachable{true};
    std::atomic<std::chrono::steady_clock::time_point> last_answer{
        std::chrono::steady_clock::now()};
    std::atomic<bool> is_refused{false};
    std::atomic<bool> is_closing{false};
    ResendLedger ledger;
    std::mutex mutex;  // guards trouble
    std::string trouble;
  };

  Client(rd_kafka_t* client, std::shared_ptr<Shared> shared, std::string bootstrap);

  static void register_callbacks(rd_kafka_conf_t* conf, rd_kafka_type_t type, Shared& shared);

  rd_kafka_t* client_;
  std::shared_ptr<Shared> shared_;
  const std::string bootstrap_;
};

// Counts how often somebody with our name took our place. More than three times in a minute: it
// lives, and taking the place back would go on for ever.
class FenceWatch {
 public:
  // True when that limit is passed.
  bool note(std::chrono::steady_clock::time_point now);

 private:
  std::deque<std::chrono::steady_clock::time_point> seen_;
};

// For a message: how to learn which processes of the group go by one name, and what to do.
std::string way_out_of_fences(std::string_view bootstrap, std::string_view group);

}  // namespace weir
