// What is needed to reach a cluster, and what each of our clients needs beyond that.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/status.h"

namespace weir {

// A setting passed through to librdkafka, by its own name and words.
struct Property {
  std::string name;
  std::string value;
};

struct ClusterSettings {
  std::string bootstrap;  // host:port[,host:port…]
  // What says so, for people: a place in a file, a variable, an option.
  std::string bootstrap_origin;
  std::string client_id = "weir";
  std::vector<Property> properties;  // each passes check_property
  // How long one question to the cluster may take before the answer is Remedy::retry.
  std::chrono::milliseconds request_wait_max{5000};
  // librdkafka's own log, with its syslog severity (0 … 7). Called on any thread; may be empty.
  std::function<void(int severity, std::string_view message)> log;
};

struct SourceSettings {
  ClusterSettings cluster;
  std::string group;
  // group.instance.id: stable over restarts, unique among live processes. Empty: no static
  // membership.
  std::string instance;
  std::vector<std::string> inputs;  // topics, in the order of InputIndex
  std::chrono::milliseconds session_silence_max{45'000};
  std::chrono::milliseconds poll_silence_max{300'000};
};

struct SinkSettings {
  ClusterSettings cluster;
  std::string group;                 // whose offsets its transactions carry
  std::string transactional_id;      // stable over restarts, unique among live processes
  std::vector<std::string> inputs;   // topics, in the order of InputIndex
  std::vector<std::string> outputs;  // topics, in the order of OutputIndex
  // The broker aborts a transaction older than this; a commit whose outcome stays unknown for as
  // long is given up.
  std::chrono::milliseconds transaction_age_max{30'000};
};

// Ok when librdkafka takes `name` = `value` for what it says and exactly-once survives it; else
// stop(config) with the reason. Connects nowhere.
Status check_property(std::string_view name, std::string_view value);

// Ok, or stop(config): `servers` can't be a ClusterSettings::bootstrap. That of a URL is what
// people write, which the client takes and never finds.
Status check_bootstrap(std::string_view servers);

}  // namespace weir
