// weir topics apply: creates what deployments need and is missing, but for what looks misspelt;
// changes nothing that is there.
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "config/deployment.h"
#include "host/kafka_settings.h"
#include "host/log.h"
#include "http/escape.h"
#include "text/words.h"
#include "tool/reach.h"
#include "tool/topic_plan.h"
#include "tool/verbs.h"

namespace weir {

namespace {

struct ApplyOptions {
  std::vector<std::string> files;
  Reach reach;
  bool is_dry = false;
  int partitions = 0;              // 0: not said
  std::vector<std::string> meant;  // topics that are meant to be new
  std::string output = "text";
};

Result<std::vector<config::Deployment>> load_all(const std::vector<std::string>& files) {
  config::LoadOptions options;
  options.environment = config::process_environment();
  options.kafka_property = check_kafka_property;
  std::vector<config::Deployment> deployments;
  std::string wrong;
  for (const std::string& file : files) {
    config::Loaded loaded = config::load(file, options);
    if (const Status status = loaded.status(); !status.is_ok()) {
      wrong += (wrong.empty() ? "" : "\n") + status.message();
    } else {
      deployments.push_back(std::move(*loaded.deployment));
    }
  }
  if (!wrong.empty()) {
    return Status::stop(ExitCode::config, wrong);
  }
  return deployments;
}

// The one cluster that all the files name, unless --bootstrap does.
Result<ClusterSettings> cluster_of(const std::vector<config::Deployment>& deployments,
                                   const Reach& reach, const Log& log) {
  ClusterSettings cluster = kafka_settings(deployments.front(), log).cluster;
  for (const config::Deployment& other : deployments) {
    const std::string bootstrap = kafka_settings(other, log).cluster.bootstrap;
    if (bootstrap != cluster.bootstrap && reach.bootstrap.empty()) {
      return Status::stop(
          ExitCode::usage,
          fmt::format("{} is for the brokers {}, {} for {}: apply them one after the other, or say "
                      "--bootstrap",
                      deployments.front().file, cluster.bootstrap, other.file, bootstrap));
    }
  }
  if (!reach.bootstrap.empty()) {
    WEIR_TRY(set_bootstrap(cluster, reach.bootstrap, kBootstrapOption));
  }
  WEIR_TRY_ASSIGN(const std::vector<Property> given, properties_of(reach));
  cluster.properties.insert(cluster.properties.end(), given.begin(), given.end());
  cluster.client_id = "weir-topics";
  return cluster;
}

Status create(KafkaAdmin& admin, const NewTopic& topic, const Reach& reach,
              const ClusterSettings& cluster) {
  return until_answered(reach, cluster, [&]() -> Status {
    Status created = admin.create(std::span(&topic, 1));
    if (created.is_ok()) {
      return created;
    }
    // An answer that was lost on its way may have been "created".
    WEIR_TRY_ASSIGN(const auto found, admin.describe(topic.name));
    return found ? Status::ok() : created;
  });
}

std::string_view outcome_of(const PlannedTopic& topic, bool is_dry) {
  return topic.is_wrong() ? "wrong"
         : !topic.exists  ? (is_dry ? "would be created" : "created")
                          : "ok";
}

// Of the given files: who writes and who reads it.
std::string users_of(const PlannedTopic& topic) {
  return (topic.writer.empty() ? "outside" : topic.writer) +
         (topic.readers.empty() ? "" : fmt::format(" -> {}", fmt::join(topic.readers, ", ")));
}

void print_table(const std::vector<PlannedTopic>& topics, const ApplyOptions& options,
                 const std::string& bootstrap) {
  std::size_t width = std::string_view("TOPIC").size();
  for (const PlannedTopic& topic : topics) {
    width = std::max(width, topic.wanted.name.size());
  }
  fmt::print("{:{}}  {:12}  {:>10}  {:>8}  {:16}  {}\n", "TOPIC", width, "ROLE", "PARTITIONS",
             "REPLICAS", "OUTCOME", "FROM, TO");
  for (const PlannedTopic& topic : topics) {
    fmt::print("{:{}}  {:12}  {:>10}  {:>8}  {:16}  {}\n", topic.wanted.name, width,
               name_of(topic.role), topic.partitions, topic.replicas,
               outcome_of(topic, options.is_dry), users_of(topic));
  }
  for (const PlannedTopic& topic : topics) {
    if (topic.differences.empty() && topic.refusal.empty()) {
      continue;
    }
    fmt::print("\n{} ({} of {}) is not changed:\n", topic.wanted.name, name_of(topic.role),
               topic.deployment);
    if (!topic.refusal.empty()) {
      fmt::print("  refused by the stage: {}\n", topic.refusal);
    }
    for (const TopicDifference& difference : topic.differences) {
      fmt::print("  {} is {}, would be {}{}\n", difference.setting, difference.is,
                 difference.should,
                 difference.matters || !topic.refusal.empty() ? "" : " (can be lived with)");
    }
    if (const std::string remedy = topic.remedy(bootstrap); !remedy.empty()) {
      fmt::print("  mend it with: {}\n", remedy);
    }
  }
}

void print_json(const std::vector<PlannedTopic>& topics, const ApplyOptions& options,
                const std::string& bootstrap) {
  std::string rows;
  for (const PlannedTopic& topic : topics) {
    std::string differences;
    for (const TopicDifference& d : topic.differences) {
      differences += fmt::format(R"({}{{"setting": {}, "is": {}, "should": {}, "matters": {}}})",
                                 differences.empty() ? "" : ", ", json_string(d.setting),
                                 json_string(d.is), json_string(d.should), d.matters);
    }
    std::string settings;
    for (const auto& [name, value] : topic.wanted.configs) {
      settings += fmt::format("{}{}: {}", settings.empty() ? "" : ", ", json_string(name),
                              json_string(value));
    }
    rows += fmt::format(
        R"({}{{"topic": {}, "role": "{}", "deployment": {}, "writer": {}, "readers": {}, )"
        R"("partitions": {}, "replicas": {}, )"
        R"("settings": {{{}}}, "outcome": "{}", "refusal": {}, "differences": [{}], )"
        R"("remedy": {}}})",
        rows.empty() ? "" : ",\n", json_string(topic.wanted.name), name_of(topic.role),
        json_string(topic.deployment), json_string(topic.writer), json_list(topic.readers),
        topic.partitions, topic.replicas, settings, outcome_of(topic, options.is_dry),
        json_string(topic.refusal), differences, json_string(topic.remedy(bootstrap)));
  }
  fmt::print("[{}]\n", rows);
}

// Ok, or which of the topics that are about to be created look like a slip: nobody should be left
// with an empty one.
Status check_names(std::span<const PlannedTopic> topics, const ApplyOptions& options,
                   std::span<const std::string> existing) {
  std::vector<std::string> doubtful;
  for (const PlannedTopic& topic : topics) {
    const std::string& name = topic.wanted.name;
    const bool is_meant =
        std::find(options.meant.begin(), options.meant.end(), name) != options.meant.end();
    if (topic.exists || topic.role != TopicRole::raw || is_meant) {
      continue;
    }
    if (const std::string_view meant = slip_of(name, existing); !meant.empty()) {
      doubtful.push_back(
          fmt::format("{}: topic {} doesn't exist; did you mean {}? Nothing was created. If it is "
                      "meant to be new, say: --create {}",
                      topic.deployment, name, quote(meant), name));
    }
  }
  return doubtful.empty()
             ? Status::ok()
             : Status::stop(ExitCode::config, fmt::format("{}", fmt::join(doubtful, "\n")));
}

Status apply(const ApplyOptions& options) {
  WEIR_TRY_ASSIGN(const auto deployments, load_all(options.files));
  const Log log("weir", config::LogLevel::error);
  WEIR_TRY_ASSIGN(const ClusterSettings cluster, cluster_of(deployments, options.reach, log));
  const Interrupt interrupt;
  KafkaAdmin admin(cluster);
  TopicWishes wishes;
  wishes.bootstrap = cluster.bootstrap;
  if (options.partitions > 0) {
    wishes.partitions = options.partitions;
  }
  WEIR_TRY_ASSIGN(wishes.brokers,
                  until_answered(options.reach, cluster, [&] { return admin.brokers(); }));
  KnownTopics existing;
  for (const std::string& name : topics_of(deployments)) {
    WEIR_TRY_ASSIGN(auto found,
                    until_answered(options.reach, cluster, [&] { return admin.describe(name); }));
    if (found) {
      existing.emplace(name, std::move(*found));
    }
  }
  WEIR_TRY_ASSIGN(const auto topics, plan_topics(deployments, existing, wishes));
  WEIR_TRY_ASSIGN(const auto all,
                  until_answered(options.reach, cluster, [&] { return admin.topics(); }));
  WEIR_TRY(check_names(topics, options, all));
  const bool is_wrong = std::any_of(topics.begin(), topics.end(),
                                    [](const PlannedTopic& topic) { return topic.is_wrong(); });
  for (const PlannedTopic& topic : topics) {
    if (!topic.exists && !options.is_dry) {
      WEIR_TRY(create(admin, topic.wanted, options.reach, cluster));
    }
  }
  (options.output == "json" ? print_json : print_table)(topics, options, cluster.bootstrap);
  return is_wrong ? Status::stop(ExitCode::failed,
                                 "some topics are not as they have to be; none was changed")
                  : Status::ok();
}

}  // namespace

void add_topics(CLI::App& app, Status& done) {
  CLI::App* topics = app.add_subcommand("topics", "The topics of deployments");
  topics->require_subcommand(1);
  CLI::App* command = topics->add_subcommand(
      "apply", "Create the topics that deployments need; change none that is there");
  const auto options = std::make_shared<ApplyOptions>();
  command->add_option("CONFIG", options->files, "The deployments' YAML files")->required();
  command->add_flag("--dry-run", options->is_dry, "Say what would be done, and do nothing");
  command
      ->add_option("--partitions", options->partitions,
                   "Of new raw topics (4) and roots; all others have as many as their input")
      ->check(CLI::Range(1, 10'000));
  command
      ->add_option("--create", options->meant,
                   "A raw topic that is meant to be new, although its name is nearly that of one "
                   "that exists; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--output", options->output, "text, or json")
      ->check(CLI::IsMember({"text", "json"}));
  add_options(*command, options->reach, "what the files say");
  command->callback([options, &done] { done = apply(*options); });
}

}  // namespace weir
