// How a verb reaches the cluster, and what becomes of it when the cluster is silent or a person has
// enough.
#pragma once

#include <signal.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kafka/admin.h"
#include "weir/status.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace weir {

inline constexpr const char* kBootstrapOption = "--bootstrap";

struct Reach {
  std::string bootstrap;                // empty: WEIR_BOOTSTRAP, or else this host
  std::vector<std::string> properties;  // NAME=VALUE
  int silence_s_max = 60;
};

// --bootstrap, --kafka, --wait. `brokers`: which are asked without --bootstrap, for the help.
void add_options(CLI::App& command, Reach& reach,
                 const std::string& brokers = "WEIR_BOOTSTRAP, 127.0.0.1:9092");

Result<ClusterSettings> cluster_of(const Reach& reach);

// Those of --kafka alone.
Result<std::vector<Property>> properties_of(const Reach& reach);

// Gives `cluster` the brokers that `origin` names, or says of `origin` that they can't be that.
Status set_bootstrap(ClusterSettings& cluster, std::string servers, std::string origin);

// Ok, or usage: why no topic can have that name.
Status check_topic_name(const std::string& name);

// What suggestion() says to the name of a topic, or of a dataset where that is taken too, that
// isn't there. Empty where it is there after all, or the cluster doesn't tell.
std::string topic_suggestion(KafkaAdmin& admin, std::string_view name, bool takes_datasets);

// SIGINT and SIGTERM end what runs, not the process. Restores on destruction; one at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  static bool was_asked();

 private:
  struct sigaction old_int_ {};

  struct sigaction old_term_ {};
};

// What the cluster's silence comes to.
Status unreachable(const ClusterSettings& cluster, const Status& last, int silence_s_max);

// Tells the person who waits, on standard error.
void say_waiting(const ClusterSettings& cluster, int silence_s_max);

// Repeats `call` while it says retry, which is said once when it takes long; what is left after
// `reach.silence_s_max` is stop(unavailable).
template <class Call>
auto until_answered(const Reach& reach, const ClusterSettings& cluster, Call call)
    -> decltype(call()) {
  constexpr std::chrono::seconds kLong(3);
  const auto began = std::chrono::steady_clock::now();
  bool has_said = false;
  while (true) {
    auto result = call();
    const Status* status = nullptr;
    if constexpr (std::is_same_v<decltype(result), Status>) {
      status = &result;
    } else {
      status = &result.status();
    }
    if (status->is_ok() || status->remedy() != Remedy::retry) {
      return result;
    }
    if (Interrupt::was_asked()) {
      return Status::stop(ExitCode::temporary, "interrupted: " + status->message());
    }
    const auto silent = std::chrono::steady_clock::now() - began;
    if (silent > std::chrono::seconds(reach.silence_s_max)) {
      return unreachable(cluster, *status, reach.silence_s_max);
    }
    if (silent > kLong && !std::exchange(has_said, true)) {
      say_waiting(cluster, reach.silence_s_max);
    }
  }
}

}  // namespace weir
