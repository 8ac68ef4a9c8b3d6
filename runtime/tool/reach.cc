#include "tool/reach.h"

#include <cstdio>
#include <cstdlib>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "config/deployment.h"
#include "text/words.h"

namespace weir {

namespace {

volatile sig_atomic_t asked = 0;

void note_signal(int /*number*/) {
  asked = 1;
}

}  // namespace

void add_options(CLI::App& command, Reach& reach, const std::string& brokers) {
  command.add_option(kBootstrapOption, reach.bootstrap,
                     fmt::format("Brokers, HOST:PORT joined by commas ({})", brokers));
  command
      .add_option("--kafka", reach.properties,
                  "A property of librdkafka as NAME=VALUE, such as security.protocol=ssl")
      ->allow_extra_args(false);
  command
      .add_option("--wait", reach.silence_s_max,
                  "Seconds that the brokers may be silent before the exit code is 69 (60)")
      ->check(CLI::Range(0, 86'400));
}

Result<ClusterSettings> cluster_of(const Reach& reach) {
  ClusterSettings cluster;
  const char* given = std::getenv("WEIR_BOOTSTRAP");
  if (!reach.bootstrap.empty()) {
    WEIR_TRY(set_bootstrap(cluster, reach.bootstrap, kBootstrapOption));
  } else if (given != nullptr && *given != '\0') {
    WEIR_TRY(set_bootstrap(cluster, given, "WEIR_BOOTSTRAP"));
  } else {
    WEIR_TRY(set_bootstrap(cluster, "127.0.0.1:9092",
                           "the default, which --bootstrap and WEIR_BOOTSTRAP beat"));
  }
  WEIR_TRY_ASSIGN(cluster.properties, properties_of(reach));
  return cluster;
}

Result<std::vector<Property>> properties_of(const Reach& reach) {
  std::vector<Property> properties;
  for (const std::string& property : reach.properties) {
    const std::size_t equals = property.find('=');
    if (equals == std::string::npos) {
      return Status::stop(ExitCode::usage,
                          fmt::format("--kafka {}: write it as NAME=VALUE", property));
    }
    Property one{property.substr(0, equals), property.substr(equals + 1)};
    WEIR_TRY(check_property(one.name, one.value));
    properties.push_back(std::move(one));
  }
  return properties;
}

Status set_bootstrap(ClusterSettings& cluster, std::string servers, std::string origin) {
  if (const Status checked = check_bootstrap(servers); !checked.is_ok()) {
    return checked.within(origin);
  }
  cluster.bootstrap = std::move(servers);
  cluster.bootstrap_origin = std::move(origin);
  return Status::ok();
}

Status check_topic_name(const std::string& name) {
  const std::string wrong = config::check_topic(name);
  return wrong.empty() ? Status::ok() : Status::stop(ExitCode::usage, wrong);
}

std::string topic_suggestion(KafkaAdmin& admin, std::string_view name, bool takes_datasets) {
  const Result<std::vector<std::string>> topics = admin.topics();
  std::set<std::string> known;
  for (const std::string& topic : topics.is_ok() ? topics.value() : std::vector<std::string>()) {
    const std::string dataset = takes_datasets ? config::dataset_of(topic) : "";
    known.insert(dataset.empty() ? topic : dataset);
  }
  return known.contains(std::string(name))
             ? ""
             : suggestion(name, std::vector<std::string>(known.begin(), known.end()));
}

Interrupt::Interrupt() {
  asked = 0;

  struct sigaction action {};

  action.sa_handler = note_signal;
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
}

bool Interrupt::was_asked() {
  return asked != 0;
}

Status unreachable(const ClusterSettings& cluster, const Status& last, int silence_s_max) {
  return Status::stop(
      ExitCode::unavailable,
      fmt::format("no answer from the brokers at {} for {} s: {}; bootstrap.servers is set by: {}",
                  cluster.bootstrap, silence_s_max, last.message(), cluster.bootstrap_origin));
}

void say_waiting(const ClusterSettings& cluster, int silence_s_max) {
  fmt::print(stderr, "no answer from the brokers at {} yet; waiting for up to {} s\n",
             cluster.bootstrap, silence_s_max);
}

}  // namespace weir
